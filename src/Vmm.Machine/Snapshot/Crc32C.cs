using System.Buffers.Binary;
using System.Numerics;

namespace Vmm.Machine.Snapshot;

/// <summary>CRC-32C (Castagnoli), over pieces one after the other. Against accidents, not against people.</summary>
internal struct Crc32C
{
    private uint _inverted;

    /// <summary>The sum of what was added.</summary>
    public readonly uint Value => ~State;

    private readonly uint State => ~_inverted;

    /// <summary>Adds a piece.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        uint crc = State;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte one in bytes) crc = BitOperations.Crc32C(crc, one);
        _inverted = ~crc;
    }
}
