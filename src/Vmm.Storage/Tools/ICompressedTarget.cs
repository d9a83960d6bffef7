namespace Vmm.Storage.Tools;

/// <summary>An image that takes its content compressed, unit by unit, in the order of their offsets.</summary>
internal interface ICompressedTarget
{
    /// <summary>Bytes of disk that are compressed together.</summary>
    int UnitBytes { get; }

    /// <summary>Room for a compressed unit.</summary>
    int MostPackedBytes { get; }

    /// <summary>Compresses a unit. Any number of threads at once.</summary>
    /// <returns>How many bytes it became; 0 when it does not fit.</returns>
    int Pack(ReadOnlySpan<byte> unit, byte[] packed);

    /// <summary>Puts a unit in.</summary>
    /// <param name="offset">A multiple of the unit.</param>
    /// <param name="unit">The whole unit.</param>
    /// <param name="packed">Its compressed bytes; empty when they did not fit.</param>
    void WriteCompressed(ulong offset, ReadOnlySpan<byte> unit, ReadOnlySpan<byte> packed);
}
