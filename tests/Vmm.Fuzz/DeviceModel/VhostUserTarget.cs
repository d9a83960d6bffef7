using System.Buffers.Binary;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio.Block;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.Fuzz.DeviceModel;

/// <summary>
/// A front end's messages to the server of a disk. Input: the length of the messages, the messages (a request, flags, descriptors, a length, the
/// payload), then what stands in the memory that they share. However it ends, the server must come to rest and hold nothing.
/// </summary>
public sealed class VhostUserTarget : IFuzzTarget, IDisposable
{
    // Request, descriptors (how many in the upper half, of which kind in the lower), NeedReply and noise in the header, length of the payload.
    private const int HeaderBytes = 5, MostMessages = 256, MemoryBytes = 1 << 20, SendTimeoutMs = 1000;
    private const byte NeedsReply = 1, HasNoise = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    private readonly EpollLoop _loop = new("fuzz loop", static _ => { });
    private readonly EventFd _eventFd = new();
    private readonly SharedMapping _memory, _small;
    private readonly LinuxFile _memoryFile, _smallFile;
    private readonly int[] _descriptors;
    private readonly byte[] _sink = new byte[4096];

    public VhostUserTarget()
    {
        _memory = SharedMapping.Create("fuzz", MemoryBytes, out _memoryFile);
        _small = SharedMapping.Create("small", 4096, out _smallFile);
        _descriptors = [_eventFd.Fd, _memoryFile.Fd, _smallFile.Fd, 0];
    }

    /// <inheritdoc/>
    public string Name => "vhost-user";

    /// <inheritdoc/>
    public int MostBytes => 48 * 1024;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < sizeof(ushort)) return;
        int length = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(input), input.Length - sizeof(ushort));
        ReadOnlySpan<byte> image = input[(sizeof(ushort) + length)..];
        _memory.Write(0, image[..Math.Min(image.Length, MemoryBytes)]);
        MemoryDisk disk = new(1 << 16);
        using ManualResetEventSlim ended = new();
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
        using VirtioBlock device = new(disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, new ThreadWorkers());
        using VhostUserServer server = new(device, theirs, _loop, static _ => { }, ended.Set);
        using (ours) Play(ours, input.Slice(sizeof(ushort), length));
        if (!ended.Wait(Patience)) throw new InvalidOperationException("the connection has ended, and the server has not");
        if (Array.Exists(server.Rings, ring => ring.IsStarted || !ring.Queue.IsIdle)) throw new InvalidOperationException("a ring is still served");
        if (server.Memory.Regions.Length != 0) throw new InvalidOperationException("the front end's memory is still mapped");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Dispose();
        _eventFd.Dispose();
        _memory.Dispose();
        _small.Dispose();
        _memoryFile.Dispose();
        _smallFile.Dispose();
    }

    private void Play(UnixChannel channel, ReadOnlySpan<byte> messages)
    {
        Span<byte> whole = stackalloc byte[VhostUserMessage.HeaderBytes + ushort.MaxValue];
        for (int i = 0; i < MostMessages && messages.Length >= HeaderBytes; i++)
        {
            int size = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(messages[3..]), messages.Length - HeaderBytes);
            ReadOnlySpan<byte> payload = messages.Slice(HeaderBytes, size);
            uint flags = (uint)VhostUserFlags.Version1 | ((messages[2] & NeedsReply) != 0 ? (uint)VhostUserFlags.NeedReply : 0);
            // A header that lies.
            if ((messages[2] & HasNoise) != 0) flags ^= (uint)messages[2] >> 2;
            BinaryPrimitives.WriteUInt32LittleEndian(whole, messages[0]);
            BinaryPrimitives.WriteUInt32LittleEndian(whole[4..], flags);
            BinaryPrimitives.WriteUInt32LittleEndian(whole[8..], (uint)size);
            payload.CopyTo(whole[VhostUserMessage.HeaderBytes..]);
            if (!channel.TrySend(whole[..(VhostUserMessage.HeaderBytes + size)], Descriptors(messages[1]), SendTimeoutMs)) return;
            Drain(channel);
            messages = messages[(HeaderBytes + size)..];
        }
    }

    private int[] Descriptors(byte how)
    {
        int count = how >> 4;
        int[] sent = new int[count];
        // Two bits for each, again and again.
        for (int i = 0; i < count; i++) sent[i] = _descriptors[how >> (2 * (i & 1)) & 3];
        return sent;
    }

    private void Drain(UnixChannel channel)
    {
        List<LinuxFile> files = [];
        while (channel.HasBytes && !channel.IsEnded && channel.TryReceive(_sink.AsSpan(0, 1), files, 0))
        {
        }

        foreach (LinuxFile file in files) file.Dispose();
    }
}
