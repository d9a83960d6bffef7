using System.Buffers.Binary;
using System.Text;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>A message to the kernel, put together piece by piece. Numbers are in host order: this is x86.</summary>
internal sealed class NetlinkRequest
{
    private const int StandardBytes = 1024;
    private const int TypeAt = 4, FlagsAt = 6, SequenceAt = 8;

    private readonly byte[] _bytes;
    private int _length = HeaderBytes;

    /// <param name="type">RTM_….</param>
    /// <param name="flags">NLM_F_…; that it is a request is added.</param>
    /// <param name="bodyBytes">Bytes of the fixed part, zero at first.</param>
    /// <param name="capacity">Bytes that attributes may need; 0 for what is usual.</param>
    public NetlinkRequest(ushort type, ushort flags, int bodyBytes, int capacity = 0)
    {
        _bytes = new byte[StandardBytes + capacity];
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(TypeAt), type);
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(FlagsAt), (ushort)(flags | NLM_F_REQUEST));
        _length += Align(bodyBytes);
    }

    /// <summary>The fixed part behind the header.</summary>
    public Span<byte> Body => _bytes.AsSpan(HeaderBytes);

    /// <summary>Adds an attribute.</summary>
    public NetlinkRequest Add(ushort type, ReadOnlySpan<byte> value)
    {
        int begin = Begin(type);
        value.CopyTo(_bytes.AsSpan(_length));
        _length += value.Length;
        return End(begin);
    }

    /// <summary>Adds a number of 32 bits.</summary>
    public NetlinkRequest Add(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Add(type, bytes);
    }

    /// <summary>Adds a text with its terminating zero.</summary>
    public NetlinkRequest Add(ushort type, string text) => Add(type, Encoding.ASCII.GetBytes(text + '\0'));

    /// <summary>Adds an attribute that holds others.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="fill">Adds what it holds.</param>
    /// <param name="bodyBytes">Bytes of a fixed part before them, all zero.</param>
    public NetlinkRequest AddNested(ushort type, Action<NetlinkRequest> fill, int bodyBytes = 0)
    {
        int begin = Begin((ushort)(type | NLA_F_NESTED));
        _length += bodyBytes;
        fill(this);
        return End(begin);
    }

    /// <summary>The message, ready to be sent.</summary>
    public ReadOnlySpan<byte> Finish(uint sequence)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes, (uint)_length);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(SequenceAt), sequence);
        return _bytes.AsSpan(0, _length);
    }

    private int Begin(ushort type)
    {
        int begin = _length;
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(begin + sizeof(ushort)), type);
        _length += AttributeBytes;
        return begin;
    }

    private NetlinkRequest End(int begin)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(begin), (ushort)(_length - begin));
        _length = Align(_length);
        return this;
    }
}
