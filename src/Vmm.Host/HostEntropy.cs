using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>The kernel's random bytes (getrandom(2)).</summary>
public sealed unsafe class HostEntropy : IEntropySource
{
    /// <inheritdoc/>
    public void Fill(Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            nint count;
            // SAFETY: the kernel writes at most as many bytes as it is told of.
            fixed (byte* to = data) count = Libc.GetRandom(to, (nuint)data.Length, 0);
            // Only a signal can cut it short, once the pool is filled, which it is when a system runs.
            if (count > 0) data = data[(int)count..];
            else if (Marshal.GetLastPInvokeError() != Errno.EINTR) throw LinuxException.FromLastError("getrandom");
        }
    }
}
