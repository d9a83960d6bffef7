using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Lets one decoder read one buffer over and over.</summary>
internal sealed class BufferCodeReader : CodeReader
{
    private readonly byte[] _buffer;
    private int _at;

    public BufferCodeReader(byte[] buffer) => _buffer = buffer;

    public void Rewind() => _at = 0;

    public override int ReadByte() => _at < _buffer.Length ? _buffer[_at++] : -1;
}
