namespace Vmm.Storage.Qcow2;

/// <summary>How compressed clusters are compressed: <c>compression_type</c>.</summary>
public enum Qcow2Compression : byte
{
    Deflate = 0,
    Zstd = 1,
}
