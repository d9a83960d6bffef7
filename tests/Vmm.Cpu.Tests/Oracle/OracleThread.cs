using System.Runtime.ExceptionServices;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>A thread of the oracle's own, because signal masks and signal stacks belong to threads.</summary>
internal static class OracleThread
{
    private const int StackBytes = 4 << 20;

    /// <summary>Runs the work to its end and passes its exception on.</summary>
    public static void Run(Action work)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                work();
            }
#pragma warning disable CA1031 // It is thrown again on the caller's thread.
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        }, StackBytes);
        thread.Start();
        thread.Join();
        failure?.Throw();
    }
}
