using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using StreamJsonRpc;
using StreamJsonRpc.Protocol;

namespace Vmm.Control.Rpc;

/// <summary>
/// Messages on a line each, or behind headers as in the language server protocol: the client's first byte tells which. A message has a
/// bounded size; one that is no JSON-RPC is answered with an error and the connection goes on, as the frame around it was good. Only so many
/// requests are under way at a time: a client that sends on without reading the answers is not read from any more. A list of requests
/// (JSON-RPC 2.0 §6) is split here and its answers put together again, as the library takes one request at a time.
/// </summary>
internal sealed class FramedMessageHandler(PipeWriter writer, PipeReader reader, IJsonRpcMessageFormatter formatter) : PipeMessageHandler(writer, reader, formatter)
{
    /// <summary>Longer messages end the connection.</summary>
    public const int MostMessageBytes = 1 << 20;

    private const int MostHeaderBytes = 1024;
    private const int MostUnderWay = 64;

    /// <summary>Requests in a list.</summary>
    public const int MostInBatch = 64;

    // Answers of a list are kept until the last one is there.
    private const int MostBatches = 4;

    // Names of StreamJsonRpc's own methods begin so: cancellation must come through at any time.
    private const string ProtocolPrefix = "$/";

    // Notifications are carried out as requests, so that they are bounded, too; their answers go nowhere.
    private const string UnansweredPrefix = "\0notification ";

    // A request of a list has a number of ours while it is under way: clients may use an id twice.
    private const string BatchPrefix = "\0batch ";

    private readonly Queue<(JsonRpcMessage Message, RpcBatch Batch)> _split = new();
    private readonly ConcurrentDictionary<string, RpcBatch.Place> _batched = new();
    private readonly SemaphoreSlim _room = new(MostUnderWay);
    private readonly SemaphoreSlim _batchRoom = new(MostBatches);
    private bool? _hasHeaders;
    private long _numbered;
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
            if (_split.TryDequeue(out (JsonRpcMessage Message, RpcBatch Batch) next))
            {
                if (next.Message is JsonRpcRequest part) await AdmitAsync(part, next.Batch, cancellationToken).ConfigureAwait(false);
                return next.Message;
            }

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

            ReadOnlySpan<byte> text = frame.AsSpan().Trim(" \t\r\n"u8);
            if (text.IsEmpty) continue;
            bool isList = text[0] == '[';
            if (isList) await _batchRoom.WaitAsync(cancellationToken).ConfigureAwait(false);
            (JsonRpcMessage? message, JsonRpcError? refusal) = isList ? (null, Split(frame)) : Read(frame);
            if (message is JsonRpcRequest request) await AdmitAsync(request, batch: null, cancellationToken).ConfigureAwait(false);
            if (message is not null) return message;
            if (refusal is not null) await WriteAsync(refusal, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    protected override void Write(JsonRpcMessage content, CancellationToken cancellationToken)
    {
        if (content is RefusalMessage { Batch: { } refused })
        {
            WriteFrame(refused.ToJson());
            return;
        }

        if (content is (JsonRpcResult or JsonRpcError) and not RefusalMessage)
        {
            _toFlush++;
            IJsonRpcMessageWithId answer = (IJsonRpcMessageWithId)content;
            if (answer.RequestId.String is { } id && _batched.TryRemove(id, out RpcBatch.Place? place))
            {
                answer.RequestId = place.Id;
                place.Batch.Add(Json(content));
                if (--place.Batch.Open != 0) return;
                _batchRoom.Release();
                WriteFrame(place.Batch.ToJson());
                return;
            }

            if (answer.RequestId.String?.StartsWith(UnansweredPrefix, StringComparison.Ordinal) == true) return;
        }

        WriteFrame(Json(content).Span);
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
        if (!disposing) return;
        _room.Dispose();
        _batchRoom.Dispose();
    }

    private ReadOnlyMemory<byte> Json(JsonRpcMessage content)
    {
        ArrayBufferWriter<byte> json = new();
        Formatter.Serialize(json, content);
        return json.WrittenMemory;
    }

    private void WriteFrame(ReadOnlySpan<byte> json)
    {
        PipeWriter to = Writer!;
        if (_hasHeaders == true) to.Write(Encoding.ASCII.GetBytes($"Content-Length: {json.Length}\r\n\r\n"));
        to.Write(json);
        if (_hasHeaders != true) to.Write("\n"u8);
    }

    private async ValueTask AdmitAsync(JsonRpcRequest request, RpcBatch? batch, CancellationToken cancellation)
    {
        // What has no answer never gives its room back.
        if (!request.IsResponseExpected && request.Method?.StartsWith(ProtocolPrefix, StringComparison.Ordinal) == true) return;
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        if (!request.IsResponseExpected)
        {
            request.RequestId = new RequestId($"{UnansweredPrefix}{_numbered++}");
        }
        else if (batch is not null)
        {
            string number = $"{BatchPrefix}{_numbered++}";
            _batched[number] = new RpcBatch.Place(batch, request.RequestId);
            request.RequestId = new RequestId(number);
        }
    }

    /// <summary>Takes the requests of a list, which come one by one from then on. The room that it has been given is free again when nothing of it is open.</summary>
    /// <returns>What is to be said at once; null for nothing.</returns>
    private RefusalMessage? Split(byte[] frame)
    {
        RpcBatch batch = new();
        RefusalMessage? refusal = Fill(batch, frame);
        if (batch.Open != 0) return null;
        _batchRoom.Release();
        return refusal ?? (batch.HasAnswers ? new RefusalMessage { Batch = batch } : null);
    }

    private RefusalMessage? Fill(RpcBatch batch, byte[] frame)
    {
        JsonDocument list;
        try
        {
            list = JsonDocument.Parse(frame);
        }
        catch (JsonException)
        {
            return Refusal(RpcErrorCode.ParseError, "this is no JSON");
        }

        using (list)
        {
            int count = list.RootElement.GetArrayLength();
            if (count == 0) return Refusal(RpcErrorCode.InvalidRequest, "a list of requests is not empty");
            if (count > MostInBatch) return Refusal(RpcErrorCode.InvalidRequest, $"a list has at most {MostInBatch} requests, not {count}");
            foreach (JsonElement item in list.RootElement.EnumerateArray())
            {
                (JsonRpcMessage? message, RefusalMessage? refusal) = Read(Encoding.UTF8.GetBytes(item.GetRawText()));
                if (refusal is not null) batch.Add(Json(refusal));
                else _split.Enqueue((message!, batch));
                if (message is JsonRpcRequest { IsResponseExpected: true }) batch.Open++;
            }

            return null;
        }
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

    private (JsonRpcMessage? Message, RefusalMessage? Refusal) Read(byte[] frame)
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
    private sealed class RefusalMessage : JsonRpcError
    {
        /// <summary>Of a list of which nothing was a request.</summary>
        public RpcBatch? Batch { get; init; }
    }
}
