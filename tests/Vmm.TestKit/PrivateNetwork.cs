using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Vmm.TestKit;

/// <summary>A network namespace of one thread's own, gone with the thread and what it has opened; threads that it starts are in it, too. Needs root.</summary>
public static partial class PrivateNetwork
{
    private const int CLONE_NEWNET = 0x40000000;

    /// <summary>Why there can be none here; null where there can.</summary>
    public static string? WhyNot => geteuid() != 0 ? "needs root, for a network namespace" : !File.Exists("/dev/net/tun") ? "the host has no TAP devices" : null;

    /// <summary>Runs something in a network of its own, where there is nothing but a loopback device that is off.</summary>
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

    /// <summary>A second descriptor for the same open file, as a launcher would hand it down. Whoever gets it closes it.</summary>
    public static int Duplicate(int descriptor)
    {
        int copy = dup(descriptor);
        return copy >= 0 ? copy : throw new InvalidOperationException($"descriptor {descriptor}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup(int descriptor);

    [LibraryImport("libc")]
    private static partial uint geteuid();
}
