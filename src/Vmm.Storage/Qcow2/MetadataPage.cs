namespace Vmm.Storage.Qcow2;

/// <summary>A piece of an L2 table or refcount block in memory.</summary>
internal sealed class MetadataPage(int sizeBytes)
{
    public readonly byte[] Data = new byte[sizeBytes];
    public ulong Offset;
    public bool IsDirty;
    public bool IsRefcount;
    public bool WasUsed;

    /// <summary>Counts changes of the content.</summary>
    public uint Edits;

    /// <summary>Counts what makes an earlier copy of the content worthless for the file: newer content was written, or it is another page now.</summary>
    public uint Outdated;
}
