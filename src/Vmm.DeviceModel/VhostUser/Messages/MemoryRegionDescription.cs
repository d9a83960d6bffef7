using System.Runtime.InteropServices;

namespace Vmm.DeviceModel.VhostUser.Messages;

/// <summary>"Memory region description".</summary>
/// <param name="GuestAddress">Guest-physical.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="UserAddress">Where the front end has it.</param>
/// <param name="FileOffset">Where it begins in the file that comes with it.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct MemoryRegionDescription(ulong GuestAddress, ulong SizeBytes, ulong UserAddress, ulong FileOffset)
{
    public const int Bytes = 32;

    /// <summary>Bytes before the regions of a table, or before a single one.</summary>
    public const int PrefixBytes = 8;

    /// <summary>Regions of a table.</summary>
    public const int MostInTable = 8;
}
