using System.Runtime.InteropServices;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>A descriptor of the split ring (virtio 1.2 §2.7.5).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct VirtqDescriptor
{
    public const int SizeBytes = 16;

    public readonly ulong Address;
    public readonly uint Length;
    public readonly VirtqDescriptorFlags Flags;
    public readonly ushort Next;
}
