using Vmm.Core.Memory;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>A client gone mad: messages of every type with fids, names and numbers that hurt, cut short and garbled, on rings that are wrecked now and then.</summary>
public class Virtio9pHostileTests
{
    private const int Steps = 100_000;
    private const int MaxFids = 40;

    private static readonly byte[] Types = [8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76, 104, 108, 110, 116, 118, 120, 122];
    private static readonly string[] Names = ["a", "b", "c", "d", "e", "..", ".", "", "a/b", "/", "x\0", "../outside", "../../etc", new('n', 255), new('n', 256)];
    private static readonly ulong[] Numbers = [0, 1, 2, 7, 0x200, 4096, 0x7fff_ffff, 0xffff_ffff, 1UL << 40, long.MaxValue, ulong.MaxValue];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Client_GoneMad_NothingThrowsNothingEscapesAndItServesAfterwards(int seed)
    {
        using P9Bench bench = new(maxFids: MaxFids);
        string before = Fingerprint(bench.Outside);
        Random random = new(seed);
        P9Client client = bench.Client;
        int answers = 0;
        for (int step = 0; step < Steps; step++)
        {
            byte[] message = Compose(random);
            if (random.Next(8) == 0) message[random.Next(message.Length)] = (byte)random.Next(256);
            int length = random.Next(16) == 0 ? random.Next(message.Length + 1) : message.Length;
            if (!Send(bench, client.Ring, message.AsSpan(0, length), random)) client = Restart(bench, random);
            else answers++;
            if (step % 5000 == 0) StateContract.Check(bench.Device, bench.Device);
        }

        Assert.True(answers > Steps / 2, $"{answers} answers");
        Assert.Equal(before, Fingerprint(bench.Outside));
        Assert.InRange(bench.Device.Statistics.Fids, 0, MaxFids);
        client = new P9Client(bench.Virtio.Start()[0]);
        Assert.Equal((0, 0, 0), (client.Version(), client.Attach(0), client.Walk(0, 1)));
        Assert.Equal(0, client.Create(1, "after-all"));
    }

    [Fact]
    public void Ring_Wrecked_ResetServesAgain()
    {
        using P9Bench bench = new();
        Random random = new(5);
        for (int life = 0; life < 300; life++)
        {
            VirtioDriver.Ring ring = bench.Virtio.Start()[0];
            for (int i = 0; i < 50; i++)
            {
                ring.Describe(ring.Descriptors, random.Next(8), ring.Buffers + (ulong)random.Next(8192), (uint)random.Next(1, 64) * 16, (ushort)random.Next(4), (ushort)random.Next(9));
                bench.Virtio.Memory.TryWrite(new GuestAddress(ring.Buffers + (ulong)random.Next(64)), (byte)random.Next(128));
                ring.Offer((ushort)random.Next(9));
                if (random.Next(10) == 0) bench.Virtio.Driver.Status = 0;
                bench.Virtio.Workers.Run();
            }
        }

        P9Client client = new(bench.Virtio.Start()[0]);
        Assert.Equal((0, 0), (client.Version(), client.Attach(0)));
    }

    private static P9Client Restart(P9Bench bench, Random random)
    {
        P9Client client = new(bench.Virtio.Start()[0]);
        if (random.Next(8) != 0) client.Version((uint)random.Next(4096, 100_000));
        client.Attach((uint)random.Next(4));
        return client;
    }

    /// <returns>Whether it was answered.</returns>
    private static bool Send(P9Bench bench, VirtioDriver.Ring ring, ReadOnlySpan<byte> message, Random random)
    {
        ulong reply = ring.Buffers + 0x2_0000;
        uint room = random.Next(20) == 0 ? (uint)random.Next(64) : 16384;
        bench.Virtio.Memory.TryCopyIn(new GuestAddress(ring.Buffers), message);
        ring.Describe(ring.Descriptors, 0, ring.Buffers, (uint)message.Length, 1, 1);
        ring.Describe(ring.Descriptors, 1, reply, room, 2, 0);
        ring.Offer(0);
        bench.Virtio.Workers.Run();
        if (ring.Take() is not { } used) return false;
        Assert.InRange(used.Length, 0u, room);
        if (used.Length == 0) return false;
        Assert.True(bench.Virtio.Memory.TryRead(new GuestAddress(reply), out uint size));
        Assert.Equal(used.Length, size);
        return true;
    }

    private static byte[] Compose(Random random)
    {
        int chance = random.Next(4000);
        if (chance == 0) return new P9Message(100).Double((uint)random.Next(4096, 70_000)).Text("9P2000.L").ToArray();
        byte type = chance < 40 ? (byte)random.Next(256) : Types[random.Next(Types.Length)];
        P9Message message = new(type, (ushort)random.Next(4));
        uint Fid() => random.Next(30) == 0 ? (uint)Numbers[random.Next(Numbers.Length)] : (uint)random.Next(12);
        string Name() => Names[random.Next(random.Next(3) == 0 ? Names.Length : 5)];
        ulong Number() => random.Next(4) == 0 ? Numbers[random.Next(Numbers.Length)] : (ulong)random.Next(10_000);
        uint Mode() => random.Next(4) == 0 ? (uint)random.Next() : 0x1ffu | (uint)random.Next(16) << 12;
        message.Double(Fid());
        return (type switch
        {
            12 => message.Double((uint)Number()),
            14 => message.Text(Name()).Double((uint)Number()).Double(Mode()).Double(0),
            16 => message.Text(Name()).Text(random.Next(2) == 0 ? "../outside/secret" : Name()).Double(0),
            18 => message.Text(Name()).Double(Mode()).Double((uint)Number()).Double((uint)Number()).Double(0),
            20 => message.Double(Fid()).Text(Name()),
            26 => message.Double((uint)random.Next(512) & ~6u).Double(Mode() | 0x1c0).Double(0).Double(0).Quad(Number() % 1_000_000).Quad(Number()).Quad(Number()).Quad(Number()).Quad(Number()),
            30 => message.Double(Fid()).Text(random.Next(2) == 0 ? "" : "user." + Name()),
            32 => message.Text("user." + Name()).Quad(Number()).Double((uint)random.Next(4)),
            40 => message.Quad(Number()).Double((uint)Number()),
            52 => message.Byte((byte)random.Next(4)).Double(0).Quad(Number()).Quad(Number()).Double(1).Text("c"),
            54 => message.Byte((byte)random.Next(4)).Quad(Number()).Quad(Number()).Double(1).Text("c"),
            70 => message.Double(Fid()).Text(Name()),
            72 => message.Text(Name()).Double(Mode() | 0x1c0).Double(0),
            74 => message.Text(Name()).Double(Fid()).Text(Name()),
            76 => message.Text(Name()).Double(random.Next(2) == 0 ? 0x200u : 0),
            104 => message.Double(uint.MaxValue).Text("").Text("").Double(0),
            110 => Walk(message, Fid(), [.. Enumerable.Range(0, random.Next(5)).Select(_ => Name())]),
            116 => message.Quad(Number() % 5000).Double((uint)Number()),
            118 => message.Quad(Number() % 1_000_000).Double((uint)random.Next(300)).Add(new byte[random.Next(300)]),
            _ => message.Quad(Number()).Quad(Number()),
        }).ToArray();
    }

    private static P9Message Walk(P9Message message, uint newFid, string[] names)
    {
        message.Double(newFid).Word((ushort)names.Length);
        foreach (string name in names) message.Text(name);
        return message;
    }

    private static string Fingerprint(string folder)
        => string.Join('\n', Directory.GetFileSystemEntries(folder).Order().Select(p => $"{p} {File.ReadAllText(p)} {File.GetUnixFileMode(p)} {File.GetLastWriteTimeUtc(p).Ticks}"));
}
