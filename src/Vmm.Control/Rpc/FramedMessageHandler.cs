using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using StreamJsonRpc;
using StreamJsonRpc.Protocol;

namespace Vmm.Control.Rpc;

/// <summary>
/// Messages on a line each, or behind headers as in the language server protocol: the client's first byte tells which. A message has a
/// bounded size; one that is no JSON-RPC is answered with an error and the connection goes on, as the frame around it was good. Only so many
/// requests are under way at a time: a client that sends on without reading the answers is not read from any more.
/// </summary>
internal sealed class FramedMessageHandler(PipeWriter writer, PipeReader reader, IJsonRpcMessageFormatter formatter) : PipeMessageHandler(writer, reader, formatter)
{
    /// <summary>Longer messages end the connection.</summary>
    public const int MostMessageBytes = 1 << 20;

    private const int MostHeaderBytes = 1024;
    private const int MostUnderWay = 64;

    // Names of StreamJsonRpc's own methods begin so: cancellation must come through at any time.
    private const string ProtocolPrefix = "$/";

    // Notifications are carried out as requests, so that they are bounded, too; their answers go nowhere.
    private const string UnansweredPrefix = "\0notification ";

    private readonly SemaphoreSlim _room = new(MostUnderWay);
    private bool? _hasHeaders;
    private long _notifications;
    private int _toFlush;

    private static ReadOnlySpan<byte> ContentLength => "content-length:"u8;

    private static ReadOnlySpan<byte> HeaderEnd => "\r\n\r\n"u8;

    /// <summary>Whether all requests so far are answered.</summary>
    public bool IsIdle => _room.CurrentCount == MostUnderWay;

    /// <inheritdoc/>
    protected override async ValueTask<JsonRpcMessage?> ReadCoreAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await Reader!.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            byte[]? frame = TakeFrame(ref buffer);
            if (frame is null && buffer.Length > MostMessageBytes + MostHeaderBytes) throw new BadRpcMessageException($"a message has more than {MostMessageBytes} bytes");
            Reader.AdvanceTo(buffer.Start, frame is null ? buffer.End : buffer.Start);
            if (frame is null)
            {
                if (result.IsCompleted) return null;
                continue;
            }

            if (frame.AsSpan().Trim(" \t\r\n"u8).IsEmpty) continue;
            (JsonRpcMessage? message, JsonRpcError? refusal) = Read(frame);
            if (message is JsonRpcRequest request) await AdmitAsync(request, cancellationToken).ConfigureAwait(false);
            if (message is not null) return message;
            await WriteAsync(refusal!, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    protected override void Write(JsonRpcMessage content, CancellationToken cancellationToken)
    {
        if (content is (JsonRpcResult or JsonRpcError) and not RefusalMessage)
        {
            _toFlush++;
            if (((IJsonRpcMessageWithId)content).RequestId.String?.StartsWith(UnansweredPrefix, StringComparison.Ordinal) == true) return;
        }

        ArrayBufferWriter<byte> json = new();
        Formatter.Serialize(json, content);
        PipeWriter to = Writer!;
        if (_hasHeaders == true) to.Write(Encoding.ASCII.GetBytes($"Content-Length: {json.WrittenCount}\r\n\r\n"));
        to.Write(json.WrittenSpan);
        if (_hasHeaders != true) to.Write("\n"u8);
    }

    /// <inheritdoc/>
    protected override async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        // Writing and flushing are one step: nobody else writes meanwhile.
        (int answers, _toFlush) = (_toFlush, 0);
        try
        {
            await base.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (answers != 0) _room.Release(answers);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing) _room.Dispose();
    }

    private async ValueTask AdmitAsync(JsonRpcRequest request, CancellationToken cancellation)
    {
        if (request.Method?.StartsWith(ProtocolPrefix, StringComparison.Ordinal) == true) return;
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        if (!request.IsResponseExpected) request.RequestId = new RequestId($"{UnansweredPrefix}{_notifications++}");
    }

    private byte[]? TakeFrame(ref ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> at = new(buffer);
        if (_hasHeaders is null)
        {
            at.AdvancePastAny(" \t\r\n"u8);
            buffer = buffer.Slice(at.Position);
            if (!at.TryPeek(out byte first)) return null;
            _hasHeaders = first is (byte)'C' or (byte)'c';
        }

        return _hasHeaders.Value ? TakeBehindHeaders(ref buffer) : TakeLine(ref buffer);
    }

    private static byte[]? TakeLine(ref ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> at = new(buffer);
        if (!at.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n')) return null;
        if (line.Length > MostMessageBytes) throw new BadRpcMessageException($"a message has more than {MostMessageBytes} bytes");
        buffer = buffer.Slice(at.Position);
        return line.ToArray();
    }

    private static byte[]? TakeBehindHeaders(ref ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> at = new(buffer);
        if (!at.TryReadTo(out ReadOnlySequence<byte> headers, HeaderEnd))
            return buffer.Length <= MostHeaderBytes ? null : throw new BadRpcMessageException($"the headers of a message have more than {MostHeaderBytes} bytes");
        if (headers.Length > MostHeaderBytes) throw new BadRpcMessageException($"the headers of a message have more than {MostHeaderBytes} bytes");
        int length = LengthIn(headers.ToArray());
        if (at.Remaining < length) return null;
        byte[] frame = at.UnreadSequence.Slice(0, length).ToArray();
        at.Advance(length);
        buffer = buffer.Slice(at.Position);
        return frame;
    }

    private static int LengthIn(ReadOnlySpan<byte> headers)
    {
        foreach (Range range in headers.Split("\r\n"u8))
        {
            ReadOnlySpan<byte> line = headers[range];
            if (line.Length < ContentLength.Length || !Ascii.EqualsIgnoreCase(line[..ContentLength.Length], ContentLength)) continue;
            ReadOnlySpan<byte> digits = line[ContentLength.Length..].Trim((byte)' ');
            if (!Utf8Parser.TryParse(digits, out int length, out int used) || used != digits.Length || length < 0) break;
            return length <= MostMessageBytes ? length : throw new BadRpcMessageException($"a message has more than {MostMessageBytes} bytes");
        }

        throw new BadRpcMessageException("a message has no Content-Length");
    }

    private (JsonRpcMessage? Message, JsonRpcError? Refusal) Read(byte[] frame)
    {
        try
        {
            return (Formatter.Deserialize(new ReadOnlySequence<byte>(frame)), null);
        }
        catch (Exception e) when (e is JsonException or UnrecognizedJsonRpcMessageException or InvalidOperationException or FormatException or KeyNotFoundException or OverflowException)
        {
            return (null, IsJson(frame) ? Refusal(RpcErrorCode.InvalidRequest, "this is no JSON-RPC 2.0 request") : Refusal(RpcErrorCode.ParseError, "this is no JSON"));
        }
    }

    private static bool IsJson(byte[] frame)
    {
        try
        {
            JsonDocument.Parse(frame).Dispose();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static RefusalMessage Refusal(RpcErrorCode code, string message) => new()
    {
        RequestId = RequestId.Null,
        Error = new JsonRpcError.ErrorDetail { Code = (JsonRpcErrorCode)code, Message = message },
    };

    /// <summary>The answer to what was no request.</summary>
    private sealed class RefusalMessage : JsonRpcError;
}
