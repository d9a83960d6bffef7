namespace Vmm.Storage.Qcow2;

/// <summary>Features that may be left unknown: <c>compatible_features</c>.</summary>
[Flags]
internal enum Qcow2Compatible : ulong
{
    None = 0,
    LazyRefcounts = 1 << 0,
}
