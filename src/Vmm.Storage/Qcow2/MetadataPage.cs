namespace Vmm.Storage.Qcow2;

/// <summary>A piece of an L2 table or refcount block in memory.</summary>
internal sealed class MetadataPage(int sizeBytes)
{
    public readonly byte[] Data = new byte[sizeBytes];
    public ulong Offset;
    public bool IsDirty;
    public bool IsRefcount;
    public bool WasUsed;
}
