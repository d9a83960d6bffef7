using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vmm.Network.User.Packets;

/// <summary>The ones' complement sum of IP, ICMP, UDP and TCP (RFC 1071), taken over several pieces.</summary>
internal struct InternetChecksum
{
    private ulong _sum;
    private bool _isOdd;

    /// <summary>Adds the pseudo-header of TCP and UDP over IPv4 (RFC 9293 §3.1).</summary>
    public void AddPseudoHeader(Ipv4Address source, Ipv4Address destination, byte protocol, int bytes)
    {
        AddWord(source.Value);
        AddWord(destination.Value);
        AddWord((uint)protocol + (uint)bytes);
    }

    /// <summary>Adds a piece; a piece of odd length may stand anywhere.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return;
        if (_isOdd)
        {
            AddWord(data[0]);
            data = data[1..];
            _isOdd = false;
        }

        AddEven(data[..(data.Length & ~1)]);
        if ((data.Length & 1) == 0) return;
        AddWord((uint)data[^1] << 8);
        _isOdd = true;
    }

    /// <summary>The sum in 16 bits, not complemented: what a partial checksum holds.</summary>
    public readonly ushort Folded
    {
        get
        {
            ulong sum = _sum;
            while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
            return (ushort)sum;
        }
    }

    /// <summary>The checksum to store; 0 over data that contain their right checksum.</summary>
    public readonly ushort Value => (ushort)~Folded;

    /// <summary>The checksum of one piece.</summary>
    public static ushort Of(ReadOnlySpan<byte> data)
    {
        InternetChecksum sum = default;
        sum.Add(data);
        return sum.Value;
    }

    private void AddWord(uint word) => _sum += word; // 64 bits hold 2^32 words

    // Sums in the machine's byte order, eight bytes at once, and turns the result: the sum does not depend on the order (RFC 1071 §2.B).
    private void AddEven(ReadOnlySpan<byte> data)
    {
        ulong sum = 0;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words)
        {
            sum += word;
            if (sum < word) sum++;
        }

        ReadOnlySpan<ushort> rest = MemoryMarshal.Cast<byte, ushort>(data[(words.Length * sizeof(ulong))..]);
        sum = (sum & uint.MaxValue) + (sum >> 32);
        foreach (ushort word in rest) sum += word;
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        AddWord(BinaryPrimitives.ReverseEndianness((ushort)sum));
    }
}
