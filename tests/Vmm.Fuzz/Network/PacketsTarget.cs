using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Network.User;
using Vmm.Network.User.Packets;
using Vmm.TestKit;

namespace Vmm.Fuzz.Network;

/// <summary>
/// Frames of a guest to the user-mode network. The input is a row of records: two bytes of length, of which the highest bit asks for a right
/// checksum of the IPv4 header, or of what an IPv6 packet carries, then the frame behind its virtio header.
/// </summary>
public sealed class PacketsTarget : IFuzzTarget
{
    private const ushort Mend = 0x8000;
    private const int IpAt = INetBackend.HeaderBytes + Ethernet.HeaderBytes;
    private const int MostAnswers = 64;
    private const long NsPerFrame = 5_000_000;

    private readonly PinnedBuffer _send = new(INetBackend.MostFrameBytes);
    private readonly PinnedBuffer _receive = new(INetBackend.MostFrameBytes);

    /// <inheritdoc/>
    public string Name => "packets";

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        FakeClock clock = new();
        MirrorHost host = null!;
        using UserNetwork network = new(new UserNetOptions { Seed = 1, HasIPv6 = true, ResolverFile = "/dev/null" }, clock, events => host = new MirrorHost(events));
        network.Configure(NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6, 1);
        while (input.Length >= sizeof(ushort))
        {
            ushort length = BinaryPrimitives.ReadUInt16LittleEndian(input);
            input = input[sizeof(ushort)..];
            int bytes = Math.Min(length & ~Mend, input.Length);
            input[..bytes].CopyTo(_send.Span);
            input = input[bytes..];
            if ((length & Mend) != 0) MendChecksum(_send.Span[..bytes]);
            network.Send(0, [_send.Vector(0, bytes)]);
            host.Pump();
            for (int i = 0; i < MostAnswers && network.Receive(0, [_receive.Vector(0, _receive.SizeBytes)]) > 0; i++) host.Pump();
            clock.Advance(NsPerFrame);
        }

        clock.Advance(NsPerFrame * 1000);
    }

    private static void MendChecksum(Span<byte> frame)
    {
        const int checksumAt = 10;
        if (frame.Length < IpAt + Ipv4Header.LeastBytes) return;
        if (Ipv6Header.TryRead(frame[IpAt..], frame.Length - IpAt, false, out IpHeader ip))
        {
            MendPayload(frame[(IpAt + ip.HeaderBytes)..(IpAt + ip.TotalBytes)], ip);
            return;
        }

        int headerBytes = Math.Clamp((frame[IpAt] & 0xf) * 4, Ipv4Header.LeastBytes, frame.Length - IpAt);
        Span<byte> header = frame.Slice(IpAt, headerBytes);
        BinaryPrimitives.WriteUInt16BigEndian(header[checksumAt..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(header[checksumAt..], InternetChecksum.Of(header));
    }

    private static void MendPayload(Span<byte> payload, in IpHeader ip)
    {
        int at = ip.Protocol switch
        {
            IpHeader.IPPROTO_TCP => TcpHeader.ChecksumAt,
            IpHeader.IPPROTO_UDP => UdpHeader.ChecksumAt,
            _ => IcmpMessage.ChecksumAt,
        };
        if (payload.Length < at + sizeof(ushort)) return;
        BinaryPrimitives.WriteUInt16BigEndian(payload[at..], 0);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(ip.Source, ip.Destination, ip.Protocol, payload.Length);
        sum.Add(payload);
        BinaryPrimitives.WriteUInt16BigEndian(payload[at..], sum.Value);
    }
}
