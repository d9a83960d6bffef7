using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Devices.Pci;

namespace Vmm.Devices.Virtio.Transport;

/// <summary>
/// The window from configuration space into the BAR (virtio 1.2 §4.1.4.9), for those who cannot reach memory: the driver writes BAR,
/// offset and length (1, 2 or 4), then accesses the data.
/// </summary>
internal sealed class VirtioPciConfigAccess(IBusDevice target, byte bar) : IPciCapability
{
    private const int DataOffset = VirtioPciCapability.BaseBytes;
    private const int CapabilityBytes = DataOffset + sizeof(uint);
    private const byte AllOnes = 0xff;

    private readonly byte[] _bytes = Initial();

    public byte Id => PciCapabilityId.VendorSpecific;

    public int SizeBytes => CapabilityBytes;

    /// <summary>BAR, offset and length, for the saved state.</summary>
    public byte[] Selection
    {
        get => _bytes[VirtioPciCapability.BarOffset..DataOffset];
        set => value.CopyTo(_bytes, VirtioPciCapability.BarOffset);
    }

    public void Attach(PciFunction function) { }

    public void Read(int offset, Span<byte> data)
    {
        if (offset >= DataOffset) ReadTarget();
        _bytes.AsSpan(offset, data.Length).CopyTo(data);
    }

    public void Write(int offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            int at = offset + i;
            if (at is VirtioPciCapability.BarOffset or >= VirtioPciCapability.OffsetOffset) _bytes[at] = data[i];
        }

        if (offset == DataOffset && TrySelect(out BusAccess access, out int length) && data.Length >= length) target.Write(access, data[..length]);
    }

    public void CommandChanged() { }

    private void ReadTarget()
    {
        Span<byte> data = _bytes.AsSpan(DataOffset);
        data.Clear();
        if (TrySelect(out BusAccess access, out int length) && target.Read(access, data[..length]) != BusResult.Ok) data[..length].Fill(AllOnes);
    }

    private bool TrySelect(out BusAccess access, out int length)
    {
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(VirtioPciCapability.OffsetOffset));
        uint wanted = BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(VirtioPciCapability.LengthOffset));
        access = new BusAccess(bar, offset, 0);
        length = wanted is 1 or 2 or 4 ? (int)wanted : 0;
        return length != 0 && offset % wanted == 0 && _bytes[VirtioPciCapability.BarOffset] == bar;
    }

    private static byte[] Initial()
    {
        byte[] bytes = new byte[CapabilityBytes];
        new VirtioPciCapability(VirtioPciCapabilityType.VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0).Read(0, bytes.AsSpan(0, DataOffset));
        bytes[2] = CapabilityBytes;
        return bytes;
    }
}
