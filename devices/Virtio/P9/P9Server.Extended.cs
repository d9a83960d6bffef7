using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <content>Extended attributes: read and written through a fid of their own, stored when that one is clunked.</content>
internal sealed partial class P9Server
{
    private int FindExtended(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double(), newNumber = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.UseAndMake(number, newNumber, out P9Fid? fid, out P9Fid? made);
        if (error != 0) return error;
        int length = 0;
        byte[] value = [];
        if (fid!.Node is not { } node) error = P9Error.EBADF;
        else error = node.GetExtended(name, [], out length);
        if (error == 0 && length > MaxExtendedBytes) error = P9Error.E2BIG;
        if (error == 0 && length != 0)
        {
            value = new byte[length];
            error = fid.Node!.GetExtended(name, value, out length);
        }

        _session.Release(fid);
        if (error == 0) error = _session.Attach(made!, new P9Extended { Value = value[..length] });
        if (error == 0) _session.Release(made!);
        else _session.Drop(made!);
        body.Quad((ulong)length);
        return error;
    }

    private int CreateExtended(ref P9Reader reader)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        ulong size = reader.Quad();
        uint flags = reader.Double();
        if (reader.IsBad || name.IsEmpty) return P9Error.EINVAL;
        if (name.Length > MaxExtendedNameBytes) return P9Error.ERANGE;
        if (size > MaxExtendedBytes) return P9Error.E2BIG;
        if (_tree.IsReadOnly) return P9Error.EROFS;
        int error = _session.Use(number, alone: true, out P9Fid? fid);
        if (error != 0) return error;
        if (fid!.Node is null || fid.File is not null || fid.Extended is not null) error = P9Error.EBADF;
        else error = _session.Attach(fid, new P9Extended { Name = name.ToArray(), Value = new byte[size], Flags = flags });
        _session.Release(fid);
        return error;
    }

    private int ReadExtended(P9Request request, P9Extended extended, ulong offset, uint count)
    {
        if (extended.Name is not null) return P9Error.EBADF;
        if (offset >= (ulong)extended.Value.Length) return 0;
        ReadOnlySpan<byte> part = extended.Value.AsSpan((int)offset);
        if ((uint)part.Length > count) part = part[..(int)count];
        if (!request.Chain.TryWrite(ReadReplyBytes, part)) return P9Error.EIO;
        _direct = (uint)part.Length;
        return 0;
    }

    private static int WriteExtended(P9Request request, P9Extended extended, ulong offset, uint count)
    {
        if (extended.Name is null) return P9Error.EBADF;
        if (offset > (ulong)extended.Value.Length || count > (ulong)extended.Value.Length - offset) return P9Error.ENOSPC;
        if (!request.Chain.TryRead(WriteHeaderBytes, extended.Value.AsSpan((int)offset, (int)count))) return P9Error.EIO;
        lock (extended) extended.Written = Math.Max(extended.Written, (int)(offset + count));
        return 0;
    }

    private static int Store(P9Fid fid, byte[] name, P9Extended extended)
    {
        if (extended.Written != extended.Value.Length || fid.Node is not { } node) return P9Error.EINVAL;
        return extended.Value.Length == 0 && (extended.Flags & XATTR_REPLACE) != 0
            ? node.RemoveExtended(name)
            : node.SetExtended(name, extended.Value, (int)extended.Flags);
    }
}
