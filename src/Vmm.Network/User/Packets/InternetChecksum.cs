using System.Buffers.Binary;
using Vmm.Network.Offload;

namespace Vmm.Network.User.Packets;

/// <summary>The ones' complement sum of IP, ICMP, UDP and TCP (RFC 1071), taken over several pieces of any length.</summary>
internal struct InternetChecksum
{
    // As OnesSum has it.
    private ulong _sum;
    private bool _isOdd;

    /// <summary>Adds the pseudo-header of TCP and UDP, and of ICMP over IPv6 (RFC 9293 §3.1, RFC 8200 §8.1).</summary>
    public void AddPseudoHeader(in IpAddress source, in IpAddress destination, byte protocol, int bytes)
    {
        Add(source);
        Add(destination);
        Add((uint)protocol + (uint)bytes);
    }

    /// <summary>Adds a piece; a piece of odd length may stand anywhere.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return;
        if (_isOdd)
        {
            _sum = OnesSum.Add(_sum, (ushort)data[0]);
            data = data[1..];
        }

        _isOdd = (data.Length & 1) != 0;
        _sum = OnesSum.Add(_sum, data);
    }

    /// <summary>The sum in 16 bits, not complemented: what a partial checksum holds.</summary>
    public readonly ushort Folded => BinaryPrimitives.ReverseEndianness(OnesSum.Fold(_sum));

    /// <summary>The checksum to store; 0 over data that contain their right checksum.</summary>
    public readonly ushort Value => (ushort)~Folded;

    /// <summary>The checksum of one piece.</summary>
    public static ushort Of(ReadOnlySpan<byte> data)
    {
        InternetChecksum sum = default;
        sum.Add(data);
        return sum.Value;
    }

    private void Add(in IpAddress address)
    {
        if (!address.IsV4)
        {
            Add((uint)(address.Value >> 96));
            Add((uint)(address.Value >> 64));
            Add((uint)(address.Value >> 32));
        }

        Add((uint)address.Value);
    }

    private void Add(uint value) => _sum = OnesSum.Add(OnesSum.Add(_sum, (ushort)(value >> 16)), (ushort)value);
}
