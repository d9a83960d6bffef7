using CsCheck;
using Vmm.Core.Backends;
using Vmm.Network.User.Packets;

namespace Vmm.Network.Tests.User;

/// <summary>Streams through a wire that loses, repeats and reorders, between a guest and a host that are both slow: byte for byte the same.</summary>
public class TcpModelTests
{
    private const int Rounds = 60_000;

    [Fact]
    public void Streams_ThroughABadWire_ArriveByteForByte()
        => Gen.Select(Gen.Int[0, 60_000], Gen.Int[0, 60_000], Gen.Int[20, 1460], Gen.Int[0, 30], Gen.Int[0, 1], Gen.Int, Gen.Int[-1, 7])
            .Sample((up, down, segment, loss, offload, seed, shift) => Exchange(up, down, segment, loss, offload != 0, seed, shift), iter: 120, threads: 1);

    private static void Exchange(int up, int down, int segmentSize, int lossPercent, bool offloads, int seed, int windowShift)
    {
        Random random = new(seed);
        byte[] fromGuest = new byte[up], fromHost = new byte[down];
        random.NextBytes(fromGuest);
        random.NextBytes(fromHost);
        using TestGuest guest = new TestGuest(accepted: offloads ? NetOffloads.Checksum | NetOffloads.Tso4 : NetOffloads.None).Known();
        ModelTcp tcp = new(fromGuest, (ushort)segmentSize, (uint)random.NextInt64(uint.MaxValue), windowShift);
        BadWire<(TcpHeader, byte[])> toNet = new(random, lossPercent);
        BadWire<GotFrame> toGuest = new(random, lossPercent);
        int fed = 0;
        bool hostEnded = false;
        for (int round = 0; ; round++)
        {
            Assert.True(round < Rounds, $"it never ends: up {up}, down {down}, segment {segmentSize}, loss {lossPercent}, seed {seed}, shift {windowShift}");
            foreach ((TcpHeader header, byte[] data) in tcp.Send()) toNet.Put((header, data));
            foreach ((TcpHeader header, byte[] data) in toNet.Take()) guest.SendTcp(TestGuest.Elsewhere, header, data);
            FakeStream? stream = guest.Host.Streams.FirstOrDefault();
            if (stream is { IsClosed: false })
            {
                if (round == 0 || (!tcp.IsConnected && random.Next(3) == 0)) stream.Connected();
                if (fed < down && tcp.IsConnected)
                {
                    int count = Math.Min(down - fed, random.Next(1, 8000));
                    stream.Feed(fromHost.AsSpan(fed, count));
                    fed += count;
                }

                if (fed == down && !hostEnded && tcp.IsConnected && random.Next(4) == 0)
                {
                    stream.End();
                    hostEnded = true;
                }

                if (random.Next(3) == 0) stream.SetRoom(random.Next(0, 20_000));
            }

            foreach (GotFrame frame in guest.Drain()) toGuest.Put(frame);
            foreach (GotFrame frame in toGuest.Take().Where(f => f.Ip.Protocol == IpHeader.IPPROTO_TCP)) tcp.Take(frame);
            // Both sides were through and the network has forgotten them: a late repeat is for nobody.
            if (tcp.WasReset && tcp.PeerEnded && stream is { GuestEnded: true, IsClosed: true }) break;
            Assert.False(tcp.WasReset);
            if (random.Next(5) == 0) tcp.Window = random.Next(4) == 0 ? 0 : random.Next(1, 60_000);
            if (random.Next(8) == 0) tcp.Timeout();
            if (tcp.IsDone && guest.Net.Statistics.TcpNow == 0) break;
            guest.Clock.Advance(random.NextInt64(100_000_000));
        }

        Assert.Equal(fromHost, tcp.Received);
        Assert.Equal(fromGuest, guest.Host.Streams[0].FromGuest);
        Assert.Single(guest.Host.Streams);
        Assert.True(guest.Host.Streams[0].GuestEnded && guest.Host.Streams[0].IsClosed);
        Assert.False(guest.Host.Streams[0].WasReset);
    }

    /// <summary>Loses, repeats and delays what it carries.</summary>
    private sealed class BadWire<T>(Random random, int percent)
    {
        private readonly List<T> _inside = [];

        public void Put(T item)
        {
            if (random.Next(100) < percent) return;
            _inside.Insert(random.Next(100) < percent ? random.Next(_inside.Count + 1) : _inside.Count, item);
            if (random.Next(100) < percent / 3) _inside.Add(item);
        }

        public List<T> Take()
        {
            int keep = _inside.Count > 0 && random.Next(100) < percent ? random.Next(_inside.Count) : 0;
            List<T> taken = _inside[..(_inside.Count - keep)];
            _inside.RemoveRange(0, taken.Count);
            return taken;
        }
    }
}
