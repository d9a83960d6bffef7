using Vmm.Core.Backends.Files;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <content>Open files and directories.</content>
internal sealed partial class P9Server : IDirectorySink
{
    // The directory read that is under way.
    private P9Request? _listing;
    private uint _listRoom;
    private bool _isListFull;

    bool IDirectorySink.TryAdd(in NodeIdentity identity, byte type, ulong next, ReadOnlySpan<byte> name)
    {
        const int FixedBytes = QidBytes + 8 + 1 + 2;
        // A longer name could not be sent back either.
        if (name.Length > byte.MaxValue) return true;
        if (_direct + FixedBytes + (uint)name.Length > _listRoom)
        {
            _isListFull = true;
            return false;
        }

        Span<byte> entry = stackalloc byte[FixedBytes + byte.MaxValue];
        P9Writer writer = new(entry);
        writer.Qid(identity);
        writer.Quad(next);
        writer.Byte(type);
        writer.Text(name);
        if (!_listing!.Chain.TryWrite(ReadReplyBytes + _direct, entry[..writer.Length])) return false;
        _direct += (uint)writer.Length;
        return true;
    }

    private static OpenModes ModesOf(uint flags)
    {
        OpenModes modes = (flags & P9_DOTL_ACCMODE) switch
        {
            P9_DOTL_WRONLY => OpenModes.Write,
            P9_DOTL_RDWR => OpenModes.Read | OpenModes.Write,
            _ => OpenModes.Read,
        };
        // Appending is left to the client, which says where each write goes: what it writes back from its cache must not move.
        if ((flags & P9_DOTL_TRUNC) != 0) modes |= OpenModes.Truncate;
        if ((flags & P9_DOTL_EXCL) != 0) modes |= OpenModes.Exclusive;
        if ((flags & P9_DOTL_SYNC) == P9_DOTL_SYNC) modes |= OpenModes.Sync;
        else if ((flags & P9_DOTL_DSYNC) != 0) modes |= OpenModes.DataSync;
        if ((flags & P9_DOTL_DIRECTORY) != 0) modes |= OpenModes.Directory;
        return modes;
    }

    private int Open(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double(), flags = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Use(number, alone: true, out P9Fid? fid);
        if (error != 0) return error;
        IOpenFile? file = null;
        OpenModes modes = ModesOf(flags);
        if (fid!.Node is not { } node || fid.File is not null) error = P9Error.EBADF;
        else error = node.Open(modes, out file);
        if (error == 0)
        {
            (fid.File, fid.Modes) = (file, modes & ~(OpenModes.Truncate | OpenModes.Exclusive));
            body.Qid(fid.Node!.Identity);
            body.Double(0); // iounit: as much as a message takes
        }

        _session.Release(fid);
        return error;
    }

    private int Create(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        uint flags = reader.Double(), mode = reader.Double(), gid = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Use(number, alone: true, out P9Fid? fid);
        if (error != 0) return error;
        IFileNode? child = null;
        IOpenFile? file = null;
        OpenModes modes = ModesOf(flags);
        if (fid!.Node is not { } directory || fid.File is not null) error = P9Error.EBADF;
        else error = directory.Create(name, modes, mode, new NodeOwner(fid.Uid, gid), out child, out file);
        if (error == 0)
        {
            fid.Node!.Dispose();
            (fid.Node, fid.File, fid.Modes) = (child, file, modes & ~(OpenModes.Truncate | OpenModes.Exclusive));
            body.Qid(child!.Identity);
            body.Double(0);
        }

        _session.Release(fid);
        return error;
    }

    private int Read(P9Request request, ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ulong offset = reader.Quad();
        uint count = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Use(number, alone: false, out P9Fid? fid);
        if (error != 0) return error;
        count = Math.Min(count, RoomOf(request));
        if (fid!.Extended is { } extended) error = ReadExtended(request, extended, offset, count);
        else if (fid.File is { } file) error = ReadFile(request, file, offset, count);
        else error = P9Error.EBADF;
        _session.Release(fid);
        body.Double(_direct);
        if (error == 0) Count(ref _reads, 1);
        if (error == 0) Count(ref _readBytes, _direct);
        return error;
    }

    private int ReadFile(P9Request request, IOpenFile file, ulong offset, uint count)
    {
        if (count == 0) return 0;
        if (!request.Chain.TryPinWritable(ReadReplyBytes, count, _vectors, out int vectors)) return P9Error.EIO;
        int error = file.Read(offset, _vectors.AsSpan(0, vectors), out ulong done);
        // A read that failed may have written, too.
        request.Chain.MarkWritten(ReadReplyBytes, error == 0 ? done : count);
        _direct = (uint)done;
        return error;
    }

    private int Write(P9Request request, ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ulong offset = reader.Quad();
        uint count = reader.Double();
        if (reader.IsBad || count > request.SizeBytes - WriteHeaderBytes) return P9Error.EINVAL;
        int error = _session.Use(number, alone: false, out P9Fid? fid);
        if (error != 0) return error;
        ulong done = 0;
        if (fid!.Extended is { } extended)
        {
            error = WriteExtended(request, extended, offset, count);
            done = count;
        }
        else if (fid.File is not { } file) error = P9Error.EBADF;
        else if (!request.Chain.TryPinReadable(WriteHeaderBytes, count, _vectors, out int vectors)) error = P9Error.EIO;
        else error = file.Write(offset, _vectors.AsSpan(0, vectors), out done);
        _session.Release(fid);
        body.Double((uint)done);
        if (error == 0) Count(ref _writes, 1);
        if (error == 0) Count(ref _writtenBytes, done);
        return error;
    }

    private int ReadDirectory(P9Request request, ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ulong offset = reader.Quad();
        uint count = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Use(number, alone: true, out P9Fid? fid);
        if (error != 0) return error;
        (_listing, _listRoom, _isListFull) = (request, Math.Min(count, RoomOf(request)), false);
        error = fid!.File is { } file ? file.ReadDirectory(offset, this) : P9Error.EBADF;
        _listing = null;
        _session.Release(fid);
        // Nothing at all would be the end of the directory.
        if (error == 0 && _direct == 0 && _isListFull) error = P9Error.EINVAL;
        body.Double(_direct);
        return error;
    }

    private int Sync(ref P9Reader reader)
    {
        uint number = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        // Older clients leave the word out.
        bool dataOnly = reader.Double() != 0;
        int error = _session.Use(number, alone: false, out P9Fid? fid);
        if (error != 0) return error;
        error = fid!.File is { } file ? file.Sync(dataOnly) : P9Error.EBADF;
        _session.Release(fid);
        return error;
    }

    private int LockRange(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        FileLockKind kind = (FileLockKind)reader.Byte();
        reader.Double();
        FileLock wanted = new(kind, reader.Quad(), reader.Quad());
        reader.Double();
        reader.Text();
        if (reader.IsBad || kind > FileLockKind.None) return P9Error.EINVAL;
        int error = _session.Use(number, alone: false, out P9Fid? fid);
        if (error != 0) return error;
        error = fid!.File is { } file ? file.TryLock(wanted) : P9Error.EBADF;
        _session.Release(fid);
        if (error == P9Error.EBADF) return error;
        // The client asks again where its program wants to wait, so that nothing waits here.
        body.Byte(error switch
        {
            0 => P9_LOCK_SUCCESS,
            P9Error.EAGAIN => P9_LOCK_BLOCKED,
            _ => P9_LOCK_ERROR,
        });
        return 0;
    }

    private int FindLock(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        FileLockKind kind = (FileLockKind)reader.Byte();
        FileLock wanted = new(kind, reader.Quad(), reader.Quad(), reader.Double());
        ReadOnlySpan<byte> client = reader.Text();
        if (reader.IsBad || kind > FileLockKind.None) return P9Error.EINVAL;
        int error = _session.Use(number, alone: false, out P9Fid? fid);
        if (error != 0) return error;
        FileLock found = wanted;
        error = fid!.File is { } file ? file.TestLock(wanted, out found) : P9Error.EBADF;
        _session.Release(fid);
        body.Byte((byte)found.Kind);
        body.Quad(found.Start);
        body.Quad(found.Length);
        body.Double(found.ProcessId);
        body.Text(client);
        return error;
    }

    private uint RoomOf(P9Request request)
        => (uint)Math.Min(request.Chain.WritableBytes, _session.MessageBytes) - ReadReplyBytes;
}
