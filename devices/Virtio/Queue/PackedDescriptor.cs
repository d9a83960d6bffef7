using System.Runtime.InteropServices;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>A descriptor of the packed ring (virtio 1.2 §2.8.13).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct PackedDescriptor(ulong address, uint length, ushort id, VirtqDescriptorFlags flags)
{
    public const int SizeBytes = 16;

    public readonly ulong Address = address;
    public readonly uint Length = length;
    public readonly ushort Id = id;
    public readonly VirtqDescriptorFlags Flags = flags;
}
