using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Net;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.Net;

/// <summary>A network device with a driver in front of it and a link in memory behind it.</summary>
internal sealed class NetBench : IDisposable
{
    public const ulong Mergeable = 1UL << 15, Multiqueue = 1UL << 22, GuestTso4 = 1UL << 7, Csum = 1, GuestCsum = 2;
    public const byte Ok = 0, Error = 1;

    // The random rings have small steps; a frame has its own place.
    private const ulong Place = 0x2_0000;

    public static readonly MacAddress Own = new(0x5254_0012_3456), Other = new(0x5254_0099_9999);

    public NetBench(int queues = 1, NetOffloads offloads = FakeNet.AllOffloads, ushort mtu = 0, ushort queueSize = 64, RateLimits receive = default, RateLimits send = default)
    {
        Link = new FakeNet(queues, offloads);
        ReceiveLimit = new RateLimiter(Clock, receive);
        SendLimit = new RateLimiter(Clock, send);
        VirtioNetOptions options = new() { Mac = Own, Mtu = mtu, QueuePairs = queues, QueueSize = queueSize };
        Machine = new VirtioBench(workers => Device = new VirtioNet(Link, options, workers, ReceiveLimit, SendLimit));
    }

    public FakeNet Link { get; }

    public FakeClock Clock { get; } = new();

    public RateLimiter ReceiveLimit { get; }

    public RateLimiter SendLimit { get; }

    public VirtioNet Device { get; private set; } = null!;

    public VirtioBench Machine { get; }

    /// <summary>Header and frame to someone, with a payload that can be told apart.</summary>
    public static byte[] Frame(int bytes, MacAddress? to = null, ushort vlan = 0, byte fill = 0x5a)
    {
        byte[] frame = new byte[INetBackend.HeaderBytes + bytes];
        for (int i = INetBackend.HeaderBytes; i < frame.Length; i++) frame[i] = (byte)(fill + i * 7);
        Span<byte> ethernet = frame.AsSpan(INetBackend.HeaderBytes);
        (to ?? Own).Write(ethernet);
        Other.Write(ethernet[6..]);
        (ethernet[12], ethernet[13]) = ((byte)(vlan != 0 ? 0x81 : 0x08), 0);
        if (vlan != 0) (ethernet[14], ethernet[15]) = ((byte)(vlan >> 8), (byte)vlan);
        return frame;
    }

    public static byte[] With(byte[] frame, NetHeader header)
    {
        header.Write(frame);
        return frame;
    }

    /// <summary>Gives the device empty buffers: slot n, which begins anew behind the last, has <paramref name="bytes"/> bytes at a place of its own.</summary>
    public static void OfferBuffers(VirtioDriver.Ring ring, int count, int bytes, int first = 0)
    {
        for (int i = 0; i < count; i++)
        {
            int slot = (first + i) % ring.Size;
            ring.Describe(ring.Descriptors, slot, BufferAt(ring, slot), (uint)bytes, 2, 0);
            ring.Offer((ushort)slot);
        }
    }

    public byte[] Buffer(VirtioDriver.Ring ring, int slot, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(Machine.Memory.TryCopyOut(new GuestAddress(BufferAt(ring, slot)), bytes));
        return bytes;
    }

    /// <summary>What the driver finds next: the buffers of one frame put together. Null when there is none.</summary>
    public byte[]? TakeFrame(VirtioDriver.Ring ring)
    {
        if (ring.Take() is not { } first) return null;
        List<byte> frame = [.. Buffer(ring, (int)first.Head, (int)first.Length)];
        int buffers = BitConverter.ToUInt16([.. frame[NetHeader.BufferCountAt..(NetHeader.BufferCountAt + 2)]]);
        for (int i = 1; i < buffers; i++)
        {
            (uint head, uint length) = ring.Take() ?? throw new InvalidOperationException("a frame's buffers must come together");
            frame.AddRange(Buffer(ring, (int)head, (int)length));
        }

        return [.. frame];
    }

    /// <summary>A command of the control queue.</summary>
    /// <returns>The device's answer.</returns>
    public static byte Command(VirtioDriver.Ring control, byte kind, byte command, params byte[] data)
        => control.Request(data.Length == 0 ? [[kind, command]] : [[kind, command], data], [1]).Written[0];

    public void Dispose()
    {
        Device.Dispose();
        Machine.Dispose();
    }

    private static ulong BufferAt(VirtioDriver.Ring ring, int slot) => ring.Buffers + Place + 0x2000 * (ulong)slot;
}
