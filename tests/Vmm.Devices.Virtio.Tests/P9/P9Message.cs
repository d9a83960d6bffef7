using System.Buffers.Binary;
using System.Text;

namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>Puts a message of 9P2000.L together.</summary>
internal sealed class P9Message(byte type, ushort tag = 1)
{
    private readonly List<byte> _body = [];

    public P9Message Byte(byte value) => Add([value]);

    public P9Message Word(ushort value) => Add(BitConverter.GetBytes(value));

    public P9Message Double(uint value) => Add(BitConverter.GetBytes(value));

    public P9Message Quad(ulong value) => Add(BitConverter.GetBytes(value));

    public P9Message Text(string text) => Text(Encoding.UTF8.GetBytes(text));

    public P9Message Text(byte[] text) => Word((ushort)text.Length).Add(text);

    public P9Message Add(byte[] bytes)
    {
        _body.AddRange(bytes);
        return this;
    }

    public byte[] ToArray()
    {
        byte[] message = new byte[7 + _body.Count];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        message[4] = type;
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(5), tag);
        _body.CopyTo(message, 7);
        return message;
    }
}
