using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Network.Offload;
using Vmm.Network.Stream;
using StreamReader = Vmm.Network.Stream.StreamReader;

namespace Vmm.Fuzz.Network;

/// <summary>
/// A frame of a guest with what it has left undone, on its way into a stream: header of virtio, then frame. What comes out must be whole
/// frames whose checksums are right, and together the data that went in.
/// </summary>
public sealed class CutterTarget : IFuzzTarget
{
    private const NetOffloads All = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso;

    private readonly StreamSender _sender = new();
    private readonly StreamReader _reader = new();
    private readonly PinnedBuffer _memory = new(INetBackend.MostFrameBytes);

    /// <inheritdoc/>
    public string Name => "cutter";

    /// <inheritdoc/>
    public int MostBytes => INetBackend.MostFrameBytes;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < INetBackend.HeaderBytes || input.Length > INetBackend.MostFrameBytes) return;
        ReadOnlySpan<byte> frame = input[INetBackend.HeaderBytes..];
        // As the device does before the link sees it.
        if (!NetHeader.Read(input).TryCheck((ulong)frame.Length, All, out NetHeader clean)) return;
        input.CopyTo(_memory.Span);
        clean.Write(_memory.Span);
        _sender.Clear();
        NetSendResult result = _sender.Add([_memory.Vector(0, input.Length)]);
        Must(result != NetSendResult.Full, "there is room for one frame");
        Must((result == NetSendResult.Sent) == !_sender.Waiting.IsEmpty, "what was taken is there");
        if (result == NetSendResult.Sent) Check(frame, clean);
    }

    private void Check(ReadOnlySpan<byte> frame, in NetHeader header)
    {
        bool isCut = header.Segmentation != NetSegmentation.VIRTIO_NET_HDR_GSO_NONE;
        bool isLaidOut = FrameLayout.TryRead(frame, out FrameLayout layout);
        int frames = 0, data = 0, headers = 0;
        _reader.Clear();
        while (true)
        {
            Must(_reader.TryTake(out ReadOnlySpan<byte> piece), "what was sent are frames");
            if (piece.IsEmpty)
            {
                if (_sender.Waiting.IsEmpty) break;
                int count = Math.Min(_reader.Room.Length, _sender.Waiting.Length);
                _sender.Waiting[..count].CopyTo(_reader.Room);
                _reader.Advance(count);
                _sender.Advance(count);
                continue;
            }

            frames++;
            if (!isCut)
            {
                Must(piece.Length == frame.Length, "a whole frame stays as long as it was");
                continue;
            }

            Must(FrameChecksums.AreRight(piece) && FrameLayout.TryRead(piece, out FrameLayout part) && part.End == piece.Length, "a piece is a good frame");
            headers = layout.Transport + (layout.Protocol == FrameLayout.Udp ? FrameLayout.UdpBytes : 4 * (frame[layout.Transport + FrameLayout.TcpOffsetAt] >> 4));
            ReadOnlySpan<byte> own = piece[headers..];
            Must(own.Length <= header.SegmentSize && own.SequenceEqual(frame.Slice(headers + data, own.Length)), "the data are those that went in");
            data += own.Length;
        }

        Must(frames >= 1 && (isCut || frames == 1), "a frame is at least one");
        Must(!isCut || (isLaidOut && headers + data == layout.End), "nothing is lost");
    }

    private static void Must(bool fact, string what)
    {
        if (!fact) throw new InvalidOperationException($"cutter: not so: {what}");
    }
}
