using Vmm.Core.Backends.Files;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <content>Names and attributes.</content>
internal sealed partial class P9Server
{
    private int GetAttributes(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        reader.Quad(); // all are given, whichever are wanted
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.GetAttributes(out NodeAttributes attributes);
        _session.Release(fid!);
        if (error == 0) Describe(attributes, ref body);
        return error;
    }

    private static void Describe(in NodeAttributes attributes, ref P9Writer body)
    {
        body.Quad(P9_STATS_BASIC | (attributes.Born is null ? 0 : P9_STATS_BTIME));
        body.Qid(attributes.Identity);
        body.Double(attributes.Mode);
        body.Double(attributes.Uid);
        body.Double(attributes.Gid);
        body.Quad(attributes.Links);
        body.Quad(DeviceNumber(attributes.DeviceMajor, attributes.DeviceMinor));
        body.Quad(attributes.SizeBytes);
        body.Quad(attributes.BlockBytes);
        body.Quad(attributes.Blocks);
        body.Time(attributes.Accessed);
        body.Time(attributes.Modified);
        body.Time(attributes.Changed);
        body.Time(attributes.Born ?? default);
        body.Quad(0); // generation
        body.Quad(0); // data version
    }

    /// <summary>As Linux's new_encode_dev has it.</summary>
    private static ulong DeviceNumber(uint major, uint minor) => (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);

    private int SetAttributes(ref P9Reader reader)
    {
        uint number = reader.Double(), valid = reader.Double();
        uint mode = reader.Double(), uid = reader.Double(), gid = reader.Double();
        ulong size = reader.Quad();
        NodeTime accessed = new((long)reader.Quad(), (uint)reader.Quad()), modified = new((long)reader.Quad(), (uint)reader.Quad());
        if (reader.IsBad) return P9Error.EINVAL;
        NodeChange change = new()
        {
            Mode = (valid & P9_ATTR_MODE) != 0 ? mode : null,
            Uid = (valid & P9_ATTR_UID) != 0 ? uid : null,
            Gid = (valid & P9_ATTR_GID) != 0 ? gid : null,
            SizeBytes = (valid & P9_ATTR_SIZE) != 0 ? size : null,
            Accessed = ChangeOf(valid, P9_ATTR_ATIME, P9_ATTR_ATIME_SET, accessed),
            Modified = ChangeOf(valid, P9_ATTR_MTIME, P9_ATTR_MTIME_SET, modified),
            Touch = valid == P9_ATTR_CTIME,
        };
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.SetAttributes(change, (fid!.Modes & OpenModes.Write) != 0 ? fid.File : null);
        _session.Release(fid);
        return error;
    }

    private static TimeChange ChangeOf(uint valid, uint changes, uint isGiven, NodeTime time)
        => (valid & changes) == 0 ? default : (valid & isGiven) == 0 ? new TimeChange(TimeChangeKind.Now) : new TimeChange(TimeChangeKind.Set, time);

    private int GetUsage(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.GetUsage(out FileSystemUsage usage);
        _session.Release(fid!);
        body.Double(usage.Type);
        body.Double(usage.BlockBytes);
        body.Quad(usage.Blocks);
        body.Quad(usage.FreeBlocks);
        body.Quad(usage.AvailableBlocks);
        body.Quad(usage.Files);
        body.Quad(usage.FreeFiles);
        body.Quad(usage.Id);
        body.Double(usage.MaxNameBytes);
        return error;
    }

    private int ReadLink(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.ReadLink(_text, out int length);
        _session.Release(fid!);
        if (error == 0) body.Text(_text.AsSpan(0, length));
        return error;
    }

    private int MakeDirectory(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        uint mode = reader.Double(), gid = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.MakeDirectory(name, mode, new NodeOwner(fid!.Uid, gid), out NodeIdentity child);
        _session.Release(fid);
        body.Qid(child);
        return error;
    }

    private int MakeSymbolicLink(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text(), target = reader.Text();
        uint gid = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.MakeSymbolicLink(name, target, new NodeOwner(fid!.Uid, gid), out NodeIdentity child);
        _session.Release(fid);
        body.Qid(child);
        return error;
    }

    private int MakeNode(ref P9Reader reader, ref P9Writer body)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        uint mode = reader.Double(), major = reader.Double(), minor = reader.Double(), gid = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.MakeNode(name, mode, major, minor, new NodeOwner(fid!.Uid, gid), out NodeIdentity child);
        _session.Release(fid);
        body.Qid(child);
        return error;
    }

    private int MakeHardLink(ref P9Reader reader)
    {
        uint directory = reader.Double(), number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.UseBoth(directory, number, out P9Fid? at, out P9Fid? existing);
        if (error != 0) return error;
        error = at!.Node is { } node && existing!.Node is { } old ? node.MakeHardLink(name, old) : P9Error.EBADF;
        _session.Release(at);
        _session.Release(existing!);
        return error;
    }

    private int RenameAt(ref P9Reader reader)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        uint newNumber = reader.Double();
        ReadOnlySpan<byte> newName = reader.Text();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = _session.UseBoth(number, newNumber, out P9Fid? from, out P9Fid? to);
        if (error != 0) return error;
        error = from!.Node is { } node && to!.Node is { } target ? node.Rename(name, target, newName) : P9Error.EBADF;
        _session.Release(from);
        _session.Release(to!);
        return error;
    }

    private int UnlinkAt(ref P9Reader reader)
    {
        uint number = reader.Double();
        ReadOnlySpan<byte> name = reader.Text();
        uint flags = reader.Double();
        if (reader.IsBad) return P9Error.EINVAL;
        int error = UseNode(number, out P9Fid? fid, out IFileNode? node);
        if (error != 0) return error;
        error = node!.Remove(name, (flags & P9_DOTL_AT_REMOVEDIR) != 0);
        _session.Release(fid!);
        return error;
    }

    /// <summary>Gets a fid, together with others, that stands for a node.</summary>
    private int UseNode(uint number, out P9Fid? fid, out IFileNode? node)
    {
        node = null;
        int error = _session.Use(number, alone: false, out fid);
        if (error != 0) return error;
        node = fid!.Node;
        if (node is not null) return 0;
        _session.Release(fid);
        return P9Error.EBADF;
    }
}
