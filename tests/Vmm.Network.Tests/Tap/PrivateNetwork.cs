using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Vmm.Network.Tests.Tap;

/// <summary>A network namespace of one thread's own, gone with the thread and what it has opened. Needs root.</summary>
internal static partial class PrivateNetwork
{
    private const int CLONE_NEWNET = 0x40000000;

    /// <summary>Why there can be none here; null where there can.</summary>
    public static string? WhyNot => geteuid() != 0 ? "needs root, for a network namespace" : !File.Exists("/dev/net/tun") ? "the host has no TAP devices" : null;

    public static void Run(Action body)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                if (unshare(CLONE_NEWNET) != 0) throw new InvalidOperationException($"no network namespace: {Marshal.GetLastPInvokeErrorMessage()}");
                body();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
