using System.Runtime.InteropServices;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>A descriptor of the packed ring (virtio 1.2 §2.8.13).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct PackedDescriptor
{
    public const int SizeBytes = 16;

    public readonly ulong Address;
    public readonly uint Length;
    public readonly ushort Id;
    public readonly VirtqDescriptorFlags Flags;
}
