using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.Devices.Virtio.Vsock;
using Vmm.TestKit;

namespace Vmm.Fuzz.Virtio;

/// <summary>
/// Packets of a guest's socket driver, and peers on the host. The input is a row of records: what (the low two bits of a byte) and two bytes
/// of size, and for a packet so many bytes, which with bit 2 get right context ids and length. Bit 3 leaves the guest without new buffers. A peer
/// that asks for an odd port wants to exchange messages.
/// </summary>
public sealed class VsockTarget : IFuzzTarget
{
    private const uint Cid = 3;
    private const ulong HostCid = 2;
    private const ushort QueueSize = 16;
    private const int Queues = 3, MostRecords = 400, Mended = 4, Starved = 8, MostSaid = 20_000, ListeningPorts = 4;
    private const ulong RingBytes = 0x1000, AvailableAt = 0x400, UsedAt = 0x800, Packet = 0x1_0000, Buffers = 0x3_0000;
    private const uint BufferBytes = 4096;

    /// <inheritdoc/>
    public string Name => "vsock";

    /// <inheritdoc/>
    public int MostBytes => 32 * 1024;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        using TestMemory memory = new(1 << 20);
        FakeVsockHost host = new();
        for (uint port = 0; port < ListeningPorts; port++) host.Listening.Add(port);
        PumpedWorkers workers = new();
        VirtQueue[] queues = [.. Enumerable.Range(0, Queues).Select(i => new VirtQueue(i, QueueSize, memory.Memory, _ => { }, (_, _) => { }))];
        for (int i = 0; i < Queues; i++)
        {
            ulong at = RingBytes * (ulong)(i + 1);
            queues[i].Start(new VirtQueueSetup { Size = QueueSize, Descriptors = at, Available = at + AvailableAt, Used = at + UsedAt, IsEnabled = true }, VirtioFeatures.VIRTIO_F_VERSION_1);
        }

        using (VirtioVsock device = new(Cid, host, workers))
        {
            device.Activate(new VirtioActivation(VirtioFeatures.VIRTIO_F_VERSION_1 | device.OfferedFeatures, queues, () => { }));
            Guest guest = new(memory.Memory, device, workers);
            for (int i = 0; i < MostRecords && input.Length >= 3; i++)
            {
                byte what = input[0];
                int size = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(input[1..]), input.Length - 3);
                if ((what & Starved) == 0) guest.OfferBuffers();
                if ((what & 3) < 2)
                {
                    guest.Send(input.Slice(3, size), (what & Mended) != 0);
                    input = input[size..];
                }
                else
                {
                    Play(host, what, BinaryPrimitives.ReadUInt16LittleEndian(input[1..]));
                }

                workers.Run();
                guest.Check();
                input = input[3..];
            }

            device.Restore(device.Save());
        }

        if (host.Streams.Any(s => !s.IsDisposed)) throw new InvalidOperationException("a peer is still held");
    }

    private static void Play(FakeVsockHost host, byte what, ushort size)
    {
        List<FakeVsockStream> alive = host.Streams.FindAll(s => !s.IsDisposed);
        if ((what & 3) == 2 || alive.Count == 0)
        {
            host.Ask(size, (size & 1) == 0 ? VsockKind.Stream : VsockKind.Seqpacket);
            return;
        }

        FakeVsockStream stream = alive[(what >> 4) % alive.Count];
        switch (size & 7)
        {
            case 0: stream.End((size & 8) != 0); break;
            case 1: stream.IsBroken = true; break;
            case 2: stream.Room = 0; break;
            case 3: stream.Resume(size); break;
            default: stream.Say(new byte[size % MostSaid]); break;
        }
    }

    /// <summary>The driver's end of the rings.</summary>
    private sealed class Guest(GuestMemory memory, VirtioVsock device, PumpedWorkers workers)
    {
        private readonly ushort[] _offered = new ushort[Queues];
        private ushort _seen;

        public void OfferBuffers()
        {
            while ((ushort)(_offered[0] - _seen) < QueueSize) Offer(0, Buffers + BufferBytes * (ulong)(_offered[0] % QueueSize), BufferBytes, isWritable: true);
            device.OnKick(0);
            workers.Run();
        }

        public void Send(ReadOnlySpan<byte> packet, bool isMended)
        {
            memory.TryCopyIn(new GuestAddress(Packet), packet);
            if (isMended && packet.Length >= VsockHeader.SizeBytes)
            {
                Span<byte> header = stackalloc byte[VsockHeader.SizeBytes];
                (VsockHeader.Read(packet) with { SourceCid = Cid, DestinationCid = HostCid, Length = (uint)(packet.Length - VsockHeader.SizeBytes) }).Write(header);
                memory.TryCopyIn(new GuestAddress(Packet), header);
            }

            Offer(1, Packet, (uint)packet.Length, isWritable: false);
            device.OnKick(1);
        }

        /// <summary>Every packet that came is as long as it says, and for this guest.</summary>
        public void Check()
        {
            memory.TryRead(new GuestAddress(RingBytes + UsedAt + 2), out ushort used);
            if ((ushort)(used - _seen) > (ushort)(_offered[0] - _seen)) throw new InvalidOperationException("more buffers were used than offered");
            Span<byte> bytes = stackalloc byte[VsockHeader.SizeBytes];
            for (; _seen != used; _seen++)
            {
                GuestAddress element = new(RingBytes + UsedAt + 4 + 8 * (ulong)(_seen % QueueSize));
                memory.TryRead(element, out uint slot);
                memory.TryRead(element + 4, out uint length);
                memory.TryCopyOut(new GuestAddress(Buffers + BufferBytes * (ulong)slot), bytes);
                VsockHeader header = VsockHeader.Read(bytes);
                if (length != VsockHeader.SizeBytes + header.Length || header.DestinationCid != Cid || header.SourceCid != HostCid)
                    throw new InvalidOperationException($"a packet of {length} bytes: {header}");
            }
        }

        private void Offer(int queue, ulong address, uint length, bool isWritable)
        {
            ulong ring = RingBytes * (ulong)(queue + 1);
            ushort slot = (ushort)(_offered[queue] % QueueSize);
            GuestAddress descriptor = new(ring + 16 * (ulong)slot);
            memory.TryWrite(descriptor, address);
            memory.TryWrite(descriptor + 8, length);
            memory.TryWrite(descriptor + 12, (ushort)(isWritable ? 2 : 0));
            memory.TryWrite(new GuestAddress(ring + AvailableAt + 4 + 2 * (ulong)slot), slot);
            memory.TryWrite(new GuestAddress(ring + AvailableAt + 2), ++_offered[queue]);
        }
    }
}
