using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A guest's driver for the socket device: keeps receive buffers out, sends packets.</summary>
internal sealed class VsockDriver
{
    public const uint Cid = 7;
    public const ushort Request = 1, Response = 2, Rst = 3, Shutdown = 4, Rw = 5, CreditUpdate = 6, CreditRequest = 7;
    public const ushort Stream = 1, Seqpacket = 2;
    public const uint EndOfMessage = 1;
    public const ulong SeqpacketFeature = 2;
    public const int HeaderBytes = 44;

    private const int BufferBytes = 1024;
    private const ushort Buffers = 32;

    private readonly VirtioBench _bench;
    private readonly VirtioDriver.Ring _receive, _transmit;

    public VsockDriver(VirtioBench bench, int buffers = Buffers, ulong without = 0)
    {
        _bench = bench;
        Rings = bench.Start(without);
        (_receive, _transmit) = (Rings[0], Rings[1]);
        for (ushort i = 0; i < buffers; i++) OfferBuffer(i);
        bench.Workers.Run();
    }

    public VirtioDriver.Ring[] Rings { get; }

    /// <summary>What the guest says of its buffer.</summary>
    public uint BufferSize { get; set; } = 64 << 10;

    public uint Forwarded { get; set; }

    public void OfferBuffer(ushort slot)
    {
        _receive.Describe(_receive.Descriptors, slot, _receive.Buffers + (ulong)slot * BufferBytes, BufferBytes, 2, 0);
        _receive.Offer(slot);
    }

    public void Send(ushort operation, uint hostPort, uint guestPort, ReadOnlySpan<byte> data = default, uint flags = 0, ushort type = Stream, ulong to = 2, ulong from = Cid)
    {
        byte[] header = new byte[HeaderBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(header, from);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), to);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), guestPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), hostPort);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(24), (uint)data.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(28), type);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(30), operation);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(32), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(36), BufferSize);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(40), Forwarded);
        _transmit.Request(data.IsEmpty ? [header] : [header, data.ToArray()], []);
    }

    /// <summary>The next packet from the device; null when there is none. Its buffer is offered again.</summary>
    public Packet? Take()
    {
        _bench.Workers.Run();
        if (_receive.Take() is not var (slot, length)) return null;
        byte[] bytes = new byte[length];
        Assert.True(_bench.Memory.TryCopyOut(new GuestAddress(_receive.Buffers + (ulong)slot * BufferBytes), bytes));
        OfferBuffer((ushort)slot);
        Packet packet = new(
            BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(30)),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(16)),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(20)),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(32)),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(40)),
            bytes[HeaderBytes..],
            BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(28)));
        Assert.Equal((2ul, (ulong)Cid), (BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8))));
        Assert.Equal((uint)packet.Data.Length, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(24)));
        return packet;
    }

    /// <summary>The next packet, which must be this.</summary>
    public Packet Expect(ushort operation)
    {
        Packet packet = Take() ?? throw new InvalidOperationException($"no packet {operation} came");
        Assert.Equal(operation, packet.Operation);
        return packet;
    }

    public sealed record Packet(ushort Operation, uint HostPort, uint GuestPort, uint Flags, uint Forwarded, byte[] Data, ushort Type);
}
