using Vmm.Core.Interrupts;

namespace Vmm.Devices.Chipset;

/// <summary>A message on the way to local APICs: from an ICR, an IOAPIC or a device.</summary>
/// <param name="Destination">Physical id or logical set.</param>
/// <param name="IsLogical">Which of the two.</param>
/// <param name="IsWide">The destination has the 32 bits of an x2APIC ICR; else 8 bits.</param>
/// <param name="Mode">Delivery mode.</param>
/// <param name="Vector">Vector; for a start-up IPI the page number.</param>
/// <param name="IsLevel">Level-triggered: the EOI goes back to the IOAPIC.</param>
internal readonly record struct ApicMessage(uint Destination, bool IsLogical, bool IsWide, ApicDeliveryMode Mode, byte Vector, bool IsLevel)
{
    private const ulong MsiWindow = 0xfee00000;
    private const ulong MsiWindowMask = ~0xfffffUL;
    private const int DestinationShift = 12;
    private const ulong RedirectionHint = 1 << 3;
    private const ulong LogicalDestination = 1 << 2;
    private const int ModeShift = 8;
    private const uint ModeMask = 7;
    private const uint LevelTrigger = 1 << 15;

    /// <summary>Everybody.</summary>
    public bool IsBroadcast => Destination == (IsWide ? uint.MaxValue : byte.MaxValue);

    /// <summary>Decodes a message-signalled interrupt (Intel SDM vol. 3 §11.11). False: the address is not in the window.</summary>
    public static bool TryDecode(in MsiMessage msi, out ApicMessage message)
    {
        ApicDeliveryMode mode = (ApicDeliveryMode)((msi.Data >> ModeShift) & ModeMask);
        bool logical = (msi.Address & LogicalDestination) != 0;
        if (mode == ApicDeliveryMode.Fixed && logical && (msi.Address & RedirectionHint) != 0) mode = ApicDeliveryMode.LowestPriority;
        message = new ApicMessage((byte)(msi.Address >> DestinationShift), logical, false, mode, (byte)msi.Data, (msi.Data & LevelTrigger) != 0);
        return (msi.Address & MsiWindowMask) == MsiWindow;
    }

    /// <summary>The message-signalled form of an 8-bit message.</summary>
    public static MsiMessage Encode(byte destination, bool logical, ApicDeliveryMode mode, byte vector, bool level) => new(
        MsiWindow | ((ulong)destination << DestinationShift) | (logical ? LogicalDestination : 0),
        vector | ((uint)mode << ModeShift) | (level ? LevelTrigger : 0));
}
