using System.Buffers.Binary;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>A walk over the attributes of a message from the kernel.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Takes the next one. False at the end.</summary>
    public bool Next(out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (_rest.Length < AttributeBytes) return false;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
        if (length < AttributeBytes || length > _rest.Length) return false;
        type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(_rest[sizeof(ushort)..]) & NLA_TYPE_MASK);
        value = _rest[AttributeBytes..length];
        _rest = _rest[Math.Min(Align(length), _rest.Length)..];
        return true;
    }
}
