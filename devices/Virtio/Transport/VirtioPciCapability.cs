using System.Buffers.Binary;
using Vmm.Devices.Pci;

namespace Vmm.Devices.Virtio.Transport;

/// <summary>A capability that says where a structure lies in a BAR (virtio 1.2 §4.1.4). Read-only.</summary>
internal sealed class VirtioPciCapability : IPciCapability
{
    public const int BaseBytes = 16;
    public const int BarOffset = 4, OffsetOffset = 8, LengthOffset = 12;

    private const int LengthByte = 2, TypeByte = 3;

    private readonly byte[] _bytes;

    /// <param name="type">The structure.</param>
    /// <param name="bar">The BAR it lies in.</param>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="multiplier">Bytes between doorbells, for the notification structure.</param>
    public VirtioPciCapability(VirtioPciCapabilityType type, byte bar, uint offset, uint length, uint? multiplier = null)
    {
        _bytes = new byte[multiplier is null ? BaseBytes : BaseBytes + sizeof(uint)];
        _bytes[LengthByte] = (byte)_bytes.Length;
        _bytes[TypeByte] = (byte)type;
        _bytes[BarOffset] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(OffsetOffset), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(LengthOffset), length);
        if (multiplier is { } step) BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(BaseBytes), step);
    }

    public byte Id => PciCapabilityId.VendorSpecific;

    public int SizeBytes => _bytes.Length;

    public void Attach(PciFunction function) { }

    public void Read(int offset, Span<byte> data) => _bytes.AsSpan(offset, data.Length).CopyTo(data);

    public void Write(int offset, ReadOnlySpan<byte> data) { }

    public void CommandChanged() { }
}
