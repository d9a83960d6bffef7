using Vmm.Core.Memory;

namespace Vmm.Host;

/// <summary>Where RAM lies in a PC: from 0 up to 3 GiB, the rest from 4 GiB. Between them is the hole for devices, APICs and the BIOS.</summary>
public static class GuestMemoryLayout
{
    /// <summary>One past the last address that low RAM can have.</summary>
    public const ulong LowRamLimit = 3UL << 30;

    /// <summary>Where the RAM that does not fit below <see cref="LowRamLimit"/> begins.</summary>
    public const ulong HighRamStart = 4UL << 30;

    /// <summary>A piece of RAM and its place in the file behind it.</summary>
    public readonly record struct Piece(GuestAddress Start, ulong SizeBytes, ulong FileOffset);

    /// <summary>The one or two pieces for this much RAM, in ascending order, without gaps in the file.</summary>
    public static IReadOnlyList<Piece> Of(ulong ramBytes)
    {
        Piece low = new(new GuestAddress(0), Math.Min(ramBytes, LowRamLimit), 0);
        return ramBytes <= LowRamLimit ? [low] : [low, new Piece(new GuestAddress(HighRamStart), ramBytes - LowRamLimit, LowRamLimit)];
    }
}
