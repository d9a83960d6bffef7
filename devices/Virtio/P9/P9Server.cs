using Vmm.Core.Backends;
using Vmm.Core.Backends.Files;
using Vmm.Core.Memory;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <summary>Serves one message after the other. This part: messages and their order; the others: the requests by family.</summary>
internal sealed partial class P9Server
{
    // Twalk with 16 names of 255 bytes, or a link's target of 4095, with room to spare. Data of reads and writes does not come here.
    private const int BufferBytes = 8192;

    // Before others of the same thread come.
    private const int Batch = 64;

    private readonly int _index;
    private readonly Virtio9p _device;
    private readonly P9Session _session;
    private readonly IFileTree _tree;
    private readonly IWorker _worker;
    private readonly byte[] _message = new byte[BufferBytes];
    private readonly byte[] _reply = new byte[BufferBytes];
    private readonly byte[] _text = new byte[BufferBytes / 2];
    private readonly IoVec[] _vectors;

    // Bytes of the present answer that lie in the chain already, behind what the writer has.
    private uint _direct;

    // Counted by the worker alone; read by anyone.
    private ulong _requests, _reads, _writes, _readBytes, _writtenBytes, _errors;

    public P9Server(int index, Virtio9p device, P9Session session, IFileTree tree, IWorkers workers, int vectors)
    {
        (_index, _device, _session, _tree) = (index, device, session, tree);
        _vectors = new IoVec[vectors];
        device.SetIdle(index, true);
        _worker = workers.Create($"virtio-9p {index}", Serve);
    }

    public Virtio9pStatistics Statistics => new(Volatile.Read(ref _requests), Volatile.Read(ref _reads), Volatile.Read(ref _writes),
        Volatile.Read(ref _readBytes), Volatile.Read(ref _writtenBytes), Volatile.Read(ref _errors), 0);

    public void Wake() => _worker.Wake();

    public void End() => _worker.Dispose();

    private void Serve()
    {
        _device.SetIdle(_index, false);
        for (int served = 0; served < Batch; served++)
        {
            if (!_session.TryTake(out P9Request? request, out bool hasMore))
            {
                _device.SetIdle(_index, true);
                return;
            }

            if (hasMore) _device.WakeOne();
            ServeOne(request!);
        }

        _worker.Wake();
    }

    private void ServeOne(P9Request request)
    {
        uint length = Answer(request);
        request.Queue.Push(request.Chain, length);
        request.Queue.Signal();
        Count(ref _requests, 1);
        _session.Done(request);
    }

    /// <returns>Bytes of the answer.</returns>
    private uint Answer(P9Request request)
    {
        _direct = 0;
        P9Writer body = new(_reply.AsSpan(HeaderBytes));
        int error = ReadMessage(request, out P9Reader reader);
        if (error == 0) error = Dispatch(request, ref reader, ref body);
        if (error == 0 && (ulong)HeaderBytes + (uint)body.Length > request.Chain.WritableBytes) error = P9Error.EMSGSIZE;
        byte type = (byte)(request.Type + 1);
        if (error != 0)
        {
            Count(ref _errors, 1);
            (_direct, type) = (0, (byte)P9Type.Rlerror);
            body = new(_reply.AsSpan(HeaderBytes));
            body.Double((uint)error);
        }

        int written = HeaderBytes + body.Length;
        P9Writer header = new(_reply);
        header.Double((uint)written + _direct);
        header.Byte(type);
        header.Word(request.Tag);
        return request.Chain.TryWrite(0, _reply.AsSpan(0, written)) ? (uint)written + _direct : 0;
    }

    /// <summary>Copies what stands behind the header, without the data of a write.</summary>
    private int ReadMessage(P9Request request, out P9Reader reader)
    {
        reader = default;
        uint most = _session.MessageBytes == 0 ? MaxMessageBytes : _session.MessageBytes;
        if (request.SizeBytes < HeaderBytes || request.SizeBytes > request.Chain.ReadableBytes || request.SizeBytes > most) return P9Error.EMSGSIZE;
        uint size = request.Type == P9Type.Twrite ? Math.Min(request.SizeBytes, WriteHeaderBytes) : request.SizeBytes;
        if (size - HeaderBytes > BufferBytes) return P9Error.EMSGSIZE;
        Span<byte> body = _message.AsSpan(0, (int)size - HeaderBytes);
        if (!request.Chain.TryRead(HeaderBytes, body)) return P9Error.EIO;
        reader = new P9Reader(body);
        return 0;
    }

    private int Dispatch(P9Request request, ref P9Reader reader, ref P9Writer body)
    {
        if (_session.MessageBytes == 0 && request.Type != P9Type.Tversion) return P9Error.EPROTO;
        return request.Type switch
        {
            P9Type.Tversion => Version(request, ref reader, ref body),
            P9Type.Tattach => Attach(ref reader, ref body),
            P9Type.Tflush => Flush(request, ref reader),
            P9Type.Twalk => Walk(ref reader, ref body),
            P9Type.Tclunk => Clunk(ref reader),
            P9Type.Tlopen => Open(ref reader, ref body),
            P9Type.Tlcreate => Create(ref reader, ref body),
            P9Type.Tread => Read(request, ref reader, ref body),
            P9Type.Twrite => Write(request, ref reader, ref body),
            P9Type.Treaddir => ReadDirectory(request, ref reader, ref body),
            P9Type.Tfsync => Sync(ref reader),
            P9Type.Tlock => LockRange(ref reader, ref body),
            P9Type.Tgetlock => FindLock(ref reader, ref body),
            P9Type.Tgetattr => GetAttributes(ref reader, ref body),
            P9Type.Tsetattr => SetAttributes(ref reader),
            P9Type.Tstatfs => GetUsage(ref reader, ref body),
            P9Type.Treadlink => ReadLink(ref reader, ref body),
            P9Type.Tmkdir => MakeDirectory(ref reader, ref body),
            P9Type.Tsymlink => MakeSymbolicLink(ref reader, ref body),
            P9Type.Tmknod => MakeNode(ref reader, ref body),
            P9Type.Tlink => MakeHardLink(ref reader),
            P9Type.Trename => Rename(ref reader),
            P9Type.Trenameat => RenameAt(ref reader),
            P9Type.Tunlinkat => UnlinkAt(ref reader),
            P9Type.Tremove => Remove(ref reader),
            P9Type.Txattrwalk => FindExtended(ref reader, ref body),
            P9Type.Txattrcreate => CreateExtended(ref reader),
            _ => P9Error.EOPNOTSUPP,
        };
    }

    private int Version(P9Request request, ref P9Reader reader, ref P9Writer body)
    {
        uint bytes = reader.Double();
        ReadOnlySpan<byte> version = reader.Text();
        if (reader.IsBad) return P9Error.EINVAL;
        bool isKnown = version.SequenceEqual("9P2000.L"u8);
        if (isKnown && bytes < MinMessageBytes) return P9Error.EMSGSIZE;
        bytes = Math.Min(bytes, MaxMessageBytes);
        _session.Restart(isKnown ? bytes : 0);
        body.Double(bytes);
        body.Text(isKnown ? "9P2000.L"u8 : "unknown"u8);
        return request.Tag == NOTAG || isKnown ? 0 : P9Error.EPROTO;
    }

    private int Flush(P9Request request, ref P9Reader reader)
    {
        ushort tag = reader.Word();
        if (reader.IsBad) return P9Error.EINVAL;
        // Nothing that is under way waits for long, so it is let end; its answer goes first (the protocol's rule).
        _session.WaitFor(tag, request.Sequence);
        return 0;
    }

    private static void Count(ref ulong counter, ulong by) => Volatile.Write(ref counter, counter + by);
}
