using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.P9;
using Vmm.Devices.Virtio.Queue;
using Vmm.TestKit;

namespace Vmm.Fuzz.Virtio;

/// <summary>
/// 9P2000.L: messages, each with two bytes of its length before it, on a tree in memory. Every one must be answered in its room, and in
/// the end nothing may be held.
/// </summary>
public sealed class P9Target : IFuzzTarget
{
    private const ulong Ring = 0x1000, Available = 0x2000, Used = 0x3000, Message = 0x1_0000, Reply = 0x3_0000;
    private const uint ReplyBytes = 0x1_0000;
    private const int MostMessages = 400;
    private const ushort QueueSize = 128;

    /// <inheritdoc/>
    public string Name => "p9";

    /// <inheritdoc/>
    public int MostBytes => 16 * 1024;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        using TestMemory memory = new(1 << 20);
        using MemoryTree tree = new();
        PumpedWorkers workers = new();
        VirtQueue queue = new(0, QueueSize, memory.Memory, _ => { }, (_, _) => { });
        using (Virtio9p device = new(tree, new Virtio9pOptions { Tag = "fuzz", MaxFids = 64 }, workers))
        {
            queue.Start(new VirtQueueSetup { Size = QueueSize, Descriptors = Ring, Available = Available, Used = Used, IsEnabled = true }, VirtioFeatures.VIRTIO_F_VERSION_1);
            device.Activate(new VirtioActivation(VirtioFeatures.VIRTIO_F_VERSION_1, [queue], () => { }));
            int sent = 0;
            while (input.Length >= sizeof(ushort) && sent < MostMessages && !queue.IsBroken)
            {
                int length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(input), input.Length - sizeof(ushort));
                Send(memory.Memory, input.Slice(sizeof(ushort), length), (ushort)sent++);
                device.OnKick(0);
                workers.Run();
                Check(memory.Memory, queue.IsBroken, (ushort)sent);
                input = input[(sizeof(ushort) + length)..];
            }

            device.Restore(device.Save());
        }

        if (tree.Held != 0) throw new InvalidOperationException($"{tree.Held} nodes and files are still held");
    }

    private static void Send(GuestMemory memory, ReadOnlySpan<byte> message, ushort index)
    {
        memory.TryCopyIn(new GuestAddress(Message), message);
        Describe(memory, 0, Message, (uint)message.Length, 1);
        Describe(memory, 1, Reply, ReplyBytes, 2);
        memory.TryWrite(new GuestAddress(Available + 4 + 2 * (ulong)(index % QueueSize)), (ushort)0);
        memory.TryWrite(new GuestAddress(Available + 2), (ushort)(index + 1));
    }

    private static void Describe(GuestMemory memory, ulong slot, ulong address, uint length, ushort flags)
    {
        GuestAddress at = new(Ring + slot * 16);
        memory.TryWrite(at, address);
        memory.TryWrite(at + 8, length);
        memory.TryWrite(at + 12, flags);
        memory.TryWrite(at + 14, (ushort)1);
    }

    private static void Check(GuestMemory memory, bool isBroken, ushort sent)
    {
        memory.TryRead(new GuestAddress(Used + 2), out ushort used);
        if (isBroken) return;
        if (used != sent) throw new InvalidOperationException($"{used} answers to {sent} messages");
        memory.TryRead(new GuestAddress(Used + 4 + 8 * (ulong)((used - 1) % QueueSize) + 4), out uint length);
        memory.TryRead(new GuestAddress(Reply), out uint said);
        if (length != said || length < 7 || length > ReplyBytes) throw new InvalidOperationException($"an answer of {length} bytes says that it has {said}");
    }
}
