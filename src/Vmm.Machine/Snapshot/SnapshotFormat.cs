namespace Vmm.Machine.Snapshot;

/// <summary>
/// The file of a saved machine: <see cref="Magic"/>, then records one after the other, the guest's memory last. A record is its kind, the
/// CRC-32C of all its other bytes, and the length of what follows; all numbers are little-endian.
/// </summary>
internal static class SnapshotFormat
{
    /// <summary>Of a record: kind, sum, length.</summary>
    public const int RecordHeaderBytes = 16;

    /// <summary>In front of the bytes of a <see cref="SnapshotRecord.Memory"/> record: where they belong.</summary>
    public const int MemoryHeaderBytes = 8;

    /// <summary>The most bytes of memory in one record.</summary>
    public const int ExtentBytes = 1 << 20;

    /// <summary>The most bytes of a record that is no memory.</summary>
    public const int MostRecordBytes = 64 << 20;

    /// <summary>The most records that are no memory: all devices with their parts, all vCPUs.</summary>
    public const int MostRecords = 1024;

    /// <summary>How a file begins: 16 bytes that say what it is, and the version of the format.</summary>
    public static ReadOnlySpan<byte> Magic => "Vmm saved domain\x01\0\0\0"u8;

    /// <summary>Bytes of <see cref="Magic"/> that say what it is.</summary>
    public const int NameBytes = 16;
}
