namespace Vmm.Storage.Qcow2;

/// <summary>Features without which an image cannot be read right: <c>incompatible_features</c>.</summary>
[Flags]
internal enum Qcow2Incompatible : ulong
{
    None = 0,
    Dirty = 1 << 0,
    Corrupt = 1 << 1,
    ExternalData = 1 << 2,
    CompressionType = 1 << 3,
    ExtendedL2 = 1 << 4,
}
