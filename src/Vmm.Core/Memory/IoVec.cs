using System.Runtime.InteropServices;

namespace Vmm.Core.Memory;

/// <summary>A pinned piece of guest memory in the kernel's <c>struct iovec</c> layout, ready for readv and writev.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct IoVec(nint hostAddress, nuint sizeBytes)
{
    public readonly nint HostAddress = hostAddress;
    public readonly nuint SizeBytes = sizeBytes;
}
