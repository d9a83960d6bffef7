using Vmm.Core.Backends.Files;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <content>How fids come and go.</content>
internal sealed partial class P9Server
{
    private int Attach(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double(), authentication = reader.Double();
        reader.Text();
        reader.Text();
        uint uid = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        if (authentication != NOFID) return P9Error.EOPNOTSUPP;
        int error = _session.Make(number, uid, out P9Fid? fid);
        if (error != 0) return error;
        error = _tree.OpenRoot(out IFileNode? root);
        if (error != 0)
        {
            _session.Drop(fid!);
            return error;
        }

        fid!.Node = root;
        body.Qid(root!.Identity);
        _session.Release(fid);
        return 0;
    }

    private int Walk(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double(), newNumber = reader.Double();
        int count = reader.Word();
        if (reader.IsBad || count > MAXWELEM) return P9Error.EINVAL;
        bool isSame = number == newNumber;
        P9Fid? made = null;
        int error = isSame ? _session.Use(number, alone: true, out P9Fid? fid) : _session.UseAndMake(number, newNumber, out fid, out made);
        if (error != 0) return error;
        IFileNode? end = null;
        if (fid!.Node is not { } start || (isSame && fid.File is not null)) error = P9Error.EBADF;
        else error = WalkNames(start, count, ref reader, ref body, out end);
        if (end is not null && isSame)
        {
            fid.Node!.Dispose();
            fid.Node = end;
        }
        else if (end is not null)
        {
            made!.Node = end;
        }

        _session.Release(fid);
        if (made is null) return error;
        if (end is null) _session.Drop(made);
        else _session.Release(made);
        return error;
    }

    /// <param name="end">The node at the end of the way, held; null when the way ends earlier.</param>
    /// <returns>An error only when the first name is not found: a way that was gone in part is an answer.</returns>
    private static int WalkNames(IFileNode start, int count, ref P9Reader reader, ref P9Writer body, out IFileNode? end)
    {
        P9Writer begin = body;
        body.Word(0);
        IFileNode at = start.Hold();
        end = null;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> name = reader.Text();
            IFileNode? child = null;
            int error = reader.IsBad ? P9Error.EINVAL : at.Find(name, out child);
            at.Dispose();
            if (error != 0) return i == 0 ? error : 0;
            at = child!;
            body.Qid(at.Identity);
            P9Writer counter = begin;
            counter.Word((ushort)(i + 1));
        }

        end = at;
        return 0;
    }

    private int Clunk(ref P9Reader reader)
    {
        uint number = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Remove(number, out P9Fid? fid);
        if (error != 0) return error;
        if (fid!.Extended is { Name: { } name } extended) error = Store(fid, name, extended);
        fid.Dispose();
        return error;
    }

    private int Remove(ref P9Reader reader)
    {
        uint number = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.Remove(number, out P9Fid? fid);
        if (error != 0) return error;
        error = fid!.Node is { } node ? RemoveByPlace(node) : P9Error.ESTALE;
        fid.Dispose();
        return error;
    }

    private int RemoveByPlace(IFileNode node)
    {
        int error = node.FindPlace(out IFileNode? directory, _text, out int length);
        if (error != 0) return error;
        error = directory!.Remove(_text.AsSpan(0, length), node.Identity.Kind == NodeKind.Directory);
        directory.Dispose();
        return error;
    }

    private int Rename(ref P9Reader reader)
    {
        uint number = reader.Double(), target = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.UseBoth(number, target, out P9Fid? fid, out P9Fid? to);
        if (error != 0) return error;
        if (fid!.Node is not { } node || to!.Node is not { } toNode) error = P9Error.EBADF;
        else
        {
            error = node.FindPlace(out IFileNode? directory, _text, out int length);
            if (error == 0) error = directory!.Rename(_text.AsSpan(0, length), toNode, name);
            directory?.Dispose();
        }

        _session.Release(fid);
        _session.Release(to!);
        return error;
    }
}
