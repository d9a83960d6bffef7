using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Vmm.Network.Offload;

/// <summary>The ones' complement sum of IP, TCP and UDP (RFC 1071), in the byte order of this host until it is stored.</summary>
internal static class OnesSum
{
    /// <summary>Adds bytes to a sum. All pieces but the last have an even length.</summary>
    public static ulong Add(ulong sum, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
        {
            sum += word;
            if (sum < word) sum++;
        }

        Span<byte> rest = stackalloc byte[sizeof(ulong)];
        rest.Clear();
        bytes[(words.Length * sizeof(ulong))..].CopyTo(rest);
        ulong last = MemoryMarshal.Read<ulong>(rest);
        sum += last;
        return sum < last ? sum + 1 : sum;
    }

    /// <summary>Adds a number of 16 bits.</summary>
    public static ulong Add(ulong sum, ushort value)
    {
        ulong word = BinaryPrimitives.ReverseEndianness(value);
        sum += word;
        return sum < word ? sum + 1 : sum;
    }

    /// <summary>The sum in 16 bits.</summary>
    public static ushort Fold(ulong sum)
    {
        sum = (sum & uint.MaxValue) + (sum >> 32);
        while (sum >> 16 != 0) sum = (sum & ushort.MaxValue) + (sum >> 16);
        return (ushort)sum;
    }

    /// <summary>Stores the checksum of what was summed, where zero was when it was summed.</summary>
    public static void Store(ulong sum, Span<byte> to) => BitConverter.TryWriteBytes(to, (ushort)~Fold(sum));
}
