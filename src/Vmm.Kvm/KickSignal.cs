using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Host;
using Vmm.Host.Native;

namespace Vmm.Kvm;

/// <summary>
/// The signal that gets a thread out of KVM_RUN. Its handler is a harmless function of the C library: managed code must not run in
/// a signal handler, and an ignored signal would not interrupt the call. The runtime uses SIGRTMIN (34) itself.
/// </summary>
internal static unsafe class KickSignal
{
    /// <summary>SIGRTMIN + 2.</summary>
    public const int Number = 36;

    private static readonly Lock Gate = new();
    private static bool _installed;

    /// <summary>Installs the handler once for the process.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public static void Install()
    {
        lock (Gate)
        {
            if (_installed) return;
            // abs(3) takes the signal's number, returns its absolute value and touches nothing, not even errno.
            nint handler = NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs");
            Libc.SigAction action = new() { Handler = handler };
            if (Libc.Sigaction(Number, &action, null) < 0)
                throw new HypervisorException("installing the vCPU kick signal failed", LinuxException.FromLastError($"sigaction({Number})"));
            _installed = true;
        }
    }

    /// <summary>Sends it to one thread of this process. A thread that has ended meanwhile is not an error.</summary>
    public static void Send(int threadId) => _ = Libc.Tgkill(Environment.ProcessId, threadId, Number);
}
