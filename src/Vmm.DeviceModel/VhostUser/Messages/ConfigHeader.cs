using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"Virtio device config space", before the bytes themselves.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct ConfigHeader(uint Offset, uint SizeBytes, uint Flags)
{
    public const int Bytes = 12;

    /// <summary>The most bytes of configuration in one message: what other implementations bear.</summary>
    public const int MostConfigBytes = 256;
}
