using System.Buffers.Binary;
using System.Net.Sockets;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Stream;
using Vmm.Network.Tests.Offload;

namespace Vmm.Network.Tests.Stream;

public sealed class StreamBackendTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-stream-").FullName;
    private readonly EpollLoop _loop = new("stream test", _ => { });
    private readonly List<string> _notes = [];

    private string Path => System.IO.Path.Combine(_folder, "link");

    public void Dispose()
    {
        _loop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Frames_BothWays_InOrderWithTheirChecksums()
    {
        using StreamBackend server = Open(true), client = Open(false);
        using NetEnd a = new(server), b = new(client);
        a.WaitFor(() => server.IsLinkUp && client.IsLinkUp);
        server.Configure(NetOffloads.Checksum, 1);
        for (int round = 0; round < 50; round++)
        {
            (NetHeader header, byte[] frame) = Packets.Long(isV6: round % 2 == 0, Packets.Tcp, 100 + round, 1);
            b.Send(Packets.Join(header with { Segmentation = 0 }, frame));
            byte[] got = a.Receive();
            Assert.True(Packets.IsRight(got[12..]));
            Assert.Equal((NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID, frame.Length), (NetHeader.Read(got).Flags, got.Length - 12));
        }

        (NetHeader cut, byte[] whole) = Packets.Long(isV6: false, Packets.Tcp, 60_000, 1448);
        a.Send(Packets.Join(cut, whole));
        List<byte> payload = [];
        while (payload.Count < 60_000)
        {
            byte[] got = b.Receive();
            Assert.True(Packets.IsRight(got[12..]) && got[0] == 0);
            payload.AddRange(got[(12 + cut.HeaderLength)..]);
        }

        Assert.Equal(whole[cut.HeaderLength..], payload);
    }

    [Fact]
    public void Peer_ComesBack_LinkComesBack()
    {
        using StreamBackend client = Open(false);
        using NetEnd end = new(client);
        Assert.Equal(NetSendResult.Dropped, end.TrySend(new byte[80]));
        for (int round = 0; round < 2; round++)
        {
            using StreamBackend server = Open(true);
            using NetEnd other = new(server);
            end.WaitFor(() => client.IsLinkUp && server.IsLinkUp);
            end.Send(new byte[80]);
            Assert.Equal(80, other.Receive().Length);
            server.Dispose();
            // The end of the stream is seen by who reads.
            end.WaitFor(() =>
            {
                end.TryReceive();
                return !client.IsLinkUp;
            });
        }
    }

    [Fact]
    public void SlowPeer_Full_ThenAllArrives()
    {
        using StreamBackend server = Open(true), client = Open(false);
        using NetEnd a = new(server), b = new(client);
        a.WaitFor(() => server.IsLinkUp && client.IsLinkUp);
        byte[] frame = new byte[12 + 1500];
        int sent = 0;
        while (a.TrySend(frame) == NetSendResult.Sent && sent < 100_000) frame[12] = (byte)++sent;
        Assert.InRange(sent, 100, 5000);
        for (int i = 0; i < sent; i++) Assert.Equal((byte)i, b.Receive()[12]);
        a.WaitFor(() => a.TrySend(frame) == NetSendResult.Sent);
    }

    [Fact]
    public void HostilePeer_NoFrames_DroppedAndTheNextIsServed()
    {
        using StreamBackend server = Open(true);
        using NetEnd end = new(server);
        Random random = new(1);
        for (int round = 0; round < 50; round++)
        {
            using Socket peer = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            peer.Connect(new UnixDomainSocketEndPoint(Path));
            end.WaitFor(() => server.IsLinkUp);
            byte[] junk = new byte[random.Next(1, 3000)];
            random.NextBytes(junk);
            if (round % 2 == 0) BinaryPrimitives.WriteUInt32BigEndian(junk.Length < 4 ? new byte[4] : junk, (uint)random.Next(0, 70_000));
            peer.Send(junk);
            peer.Shutdown(SocketShutdown.Both);
            end.WaitFor(() =>
            {
                end.TryReceive();
                return !server.IsLinkUp;
            });
        }

        using StreamBackend client = Open(false);
        using NetEnd other = new(client);
        end.WaitFor(() => server.IsLinkUp && client.IsLinkUp);
        other.Send(new byte[100]);
        Assert.Equal(100, end.Receive().Length);
    }

    private StreamBackend Open(bool isServer) => new(_loop, Path, isServer, line =>
    {
        lock (_notes) _notes.Add(line);
    });
}
