using Vmm.Core.Backends;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Qcow2;

/// <summary>Content that comes compressed.</summary>
internal sealed partial class Qcow2Image : ICompressedTarget
{
    int ICompressedTarget.UnitBytes => ClusterBytes;

    // A cluster that does not get shorter by a sector stays as it is.
    int ICompressedTarget.MostPackedBytes => ClusterBytes - IBlockBackend.SectorBytes;

    int ICompressedTarget.Pack(ReadOnlySpan<byte> unit, byte[] packed) => _codec.Pack(unit, packed);

    void ICompressedTarget.WriteCompressed(ulong offset, ReadOnlySpan<byte> unit, ReadOnlySpan<byte> packed) => WriteCompressed(offset, unit, packed);
}
