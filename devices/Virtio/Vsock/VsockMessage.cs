using System.Buffers;
using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Vsock;

/// <summary>A message of the host's end on its way to the guest, which may get it in pieces. Takes memory only while there is one.</summary>
internal sealed class VsockMessage
{
    /// <summary>What the guest's messages to the host are held to as well.</summary>
    private const int MostBytes = VsockBuffer.SizeBytes;

    private byte[]? _bytes;
    private int _length, _passed;

    /// <summary>Bytes that the guest has not got; 0 when there is no message.</summary>
    public int Left => _length - _passed;

    /// <summary>Takes the next one from the host's end.</summary>
    public VsockStreamStatus Take(IVsockStream stream)
    {
        _bytes = ArrayPool<byte>.Shared.Rent(MostBytes);
        VsockStreamStatus status = stream.Receive(_bytes.AsSpan(0, MostBytes), out _length);
        if (status != VsockStreamStatus.Ok) Drop();
        return status;
    }

    /// <summary>Writes its next bytes behind a packet's header. False when there is no room for them.</summary>
    public bool TryPass(VirtChain chain, int count)
    {
        bool isWritten = chain.TryWrite(VsockHeader.SizeBytes, _bytes.AsSpan(_passed, count));
        _passed += count;
        if (Left == 0) Drop();
        return isWritten;
    }

    /// <summary>Forgets it.</summary>
    public void Drop()
    {
        if (_bytes is not null) ArrayPool<byte>.Shared.Return(_bytes);
        (_bytes, _length, _passed) = (null, 0, 0);
    }
}
