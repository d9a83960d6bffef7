using System.Buffers.Binary;
using Vmm.Core.State;
using Vmm.Devices.Chipset;

namespace Vmm.Machine.Snapshot;

/// <summary>
/// Between the states of our chips and <c>struct kvm_pic_state</c>, <c>struct kvm_ioapic_state</c>, <c>struct kvm_pit_state2</c>
/// (Linux arch/x86/include/uapi/asm/kvm.h). Pure.
/// </summary>
internal static class KvmChipCodec
{
    private const int ChipBytes = 512, IoApicHeaderBytes = 24, IoApicPins = 24, ChannelBytes = 24, Channels = 3, PitBytes = 112;
    private const ulong IoApicAddress = 0xfec00000;
    private const int IoApicIdShift = 24;
    private const byte AutoEoi = 1 << 1, SpecialFullyNested = 1 << 4, NeverInitialised = 4;
    private const ulong LevelTriggered = 1 << 15;
    private const uint SpeakerDataOn = 2, GateTwo = 1, SpeakerData = 2;
    private const byte SecondByte = 4, FirstByte = 3, LowThenHigh = 3;
    private const ulong PitHz = 1_193_182, NsPerSecond = 1_000_000_000;
    private const byte SlaveElcr = 0xde, MasterElcr = 0xf8;

    public static I8259ChipState DecodePic(ReadOnlySpan<byte> from)
    {
        Check(from.Length, ChipBytes, "8259");
        return new()
        {
            Pins = from[0],
            Irr = from[1],
            Imr = from[2],
            Isr = from[3],
            Highest = from[4],
            VectorBase = from[5],
            ReadsIsr = from[6] != 0,
            Polls = from[7] != 0,
            SpecialMask = from[8] != 0,
            InitStep = from[9],
            Icw4 = (byte)((from[10] != 0 ? AutoEoi : 0) | (from[12] != 0 ? SpecialFullyNested : 0)),
            RotatesOnAutoEoi = from[11] != 0,
            NeedsIcw4 = from[13] != 0,
            Elcr = from[14],
        };
    }

    public static byte[] EncodePic(I8259ChipState from, bool isMaster)
    {
        byte[] to = new byte[ChipBytes];
        (to[0], to[1], to[2], to[3], to[4], to[5]) = (from.Pins, from.Irr, from.Imr, from.Isr, from.Highest, from.VectorBase);
        (to[6], to[7], to[8]) = (Bit(from.ReadsIsr), Bit(from.Polls), Bit(from.SpecialMask));
        to[9] = from.InitStep >= NeverInitialised ? (byte)0 : from.InitStep;
        (to[10], to[11], to[12]) = (Bit((from.Icw4 & AutoEoi) != 0), Bit(from.RotatesOnAutoEoi), Bit((from.Icw4 & SpecialFullyNested) != 0));
        (to[13], to[14], to[15]) = (Bit(from.NeedsIcw4), from.Elcr, isMaster ? MasterElcr : SlaveElcr);
        return to;
    }

    public static IoApicState DecodeIoApic(ReadOnlySpan<byte> from)
    {
        Check(from.Length, ChipBytes, "IOAPIC");
        ulong[] entries = new ulong[IoApicPins];
        for (int i = 0; i < entries.Length; i++) entries[i] = BinaryPrimitives.ReadUInt64LittleEndian(from[(IoApicHeaderBytes + (i * sizeof(ulong)))..]);
        return new()
        {
            Select = from[8],
            Id = BinaryPrimitives.ReadUInt32LittleEndian(from[12..]) << IoApicIdShift,
            Pins = BinaryPrimitives.ReadUInt32LittleEndian(from[16..]),
            Entries = entries,
        };
    }

    public static byte[] EncodeIoApic(IoApicState from)
    {
        Check(from.Entries.Length, IoApicPins, "IOAPIC's table");
        byte[] to = new byte[ChipBytes];
        uint levels = 0;
        for (int i = 0; i < IoApicPins; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(to.AsSpan(IoApicHeaderBytes + (i * sizeof(ulong))), from.Entries[i]);
            if ((from.Entries[i] & LevelTriggered) != 0) levels |= 1u << i;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(to, IoApicAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(8), from.Select);
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(12), from.Id >> IoApicIdShift);
        // KVM takes a request of an edge-triggered pin for one that has not been sent yet.
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(16), from.Pins & levels);
        return to;
    }

    /// <param name="from">The kernel's state.</param>
    /// <param name="nowNs">CLOCK_MONOTONIC, of which the kernel tells when each count was loaded.</param>
    public static I8254PitState DecodePit(ReadOnlySpan<byte> from, long nowNs)
    {
        Check(from.Length, PitBytes, "8254");
        PitCounterState[] counters = new PitCounterState[Channels];
        for (int i = 0; i < Channels; i++) counters[i] = DecodeCounter(from.Slice(i * ChannelBytes, ChannelBytes), nowNs);
        bool speaks = (BinaryPrimitives.ReadUInt32LittleEndian(from[(Channels * ChannelBytes)..]) & SpeakerDataOn) != 0;
        return new() { Counters = counters, PortB = (byte)((counters[2].Gate ? GateTwo : 0) | (speaks ? SpeakerData : 0)) };
    }

    public static byte[] EncodePit(I8254PitState from)
    {
        Check(from.Counters.Length, Channels, "8254");
        byte[] to = new byte[PitBytes];
        for (int i = 0; i < Channels; i++) EncodeCounter(from.Counters[i], to.AsSpan(i * ChannelBytes, ChannelBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(to.AsSpan(Channels * ChannelBytes), (from.PortB & SpeakerData) != 0 ? SpeakerDataOn : 0);
        return to;
    }

    private static PitCounterState DecodeCounter(ReadOnlySpan<byte> from, long nowNs)
    {
        int count = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(from), 0x10000);
        byte access = (byte)(from[12] & 3), mode = (byte)(from[13] & 7);
        long waitedNs = Math.Max(0, nowNs - BinaryPrimitives.ReadInt64LittleEndian(from[16..]));
        bool isLatched = from[6] != 0;
        return new()
        {
            Control = (byte)((access << 4) | (mode << 1) | (from[14] != 0 ? 1 : 0)),
            Count = count,
            Elapsed = (long)((UInt128)waitedNs * PitHz / NsPerSecond),
            IsRunning = count != 0 && from[15] != 0,
            Gate = from[15] != 0,
            Triggered = count != 0,
            WriteLow = from[11],
            WritesHighNext = from[10] == SecondByte,
            ReadsHighNext = from[9] == SecondByte,
            LatchedCount = isLatched ? BinaryPrimitives.ReadUInt16LittleEndian(from[4..]) : null,
            LatchedStatus = from[7] != 0 ? from[8] : null,
        };
    }

    private static void EncodeCounter(PitCounterState from, Span<byte> to)
    {
        byte access = (byte)((from.Control >> 4) & 3);
        BinaryPrimitives.WriteInt32LittleEndian(to, from.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(to[4..], from.LatchedCount ?? 0);
        to[6] = from.LatchedCount is null ? (byte)0 : access;
        (to[7], to[8]) = (Bit(from.LatchedStatus is not null), from.LatchedStatus ?? 0);
        to[9] = access != LowThenHigh ? access : from.ReadsHighNext ? SecondByte : FirstByte;
        to[10] = access != LowThenHigh ? access : from.WritesHighNext ? SecondByte : FirstByte;
        (to[11], to[12], to[13], to[14], to[15]) = (from.WriteLow, access, (byte)((from.Control >> 1) & 7), (byte)(from.Control & 1), Bit(from.Gate));
        // The kernel counts from the moment of the restore.
    }

    private static byte Bit(bool value) => value ? (byte)1 : (byte)0;

    private static void Check(int count, int expected, string what)
    {
        if (count != expected) throw new StateException($"the {what} has {count} parts instead of {expected}");
    }
}
