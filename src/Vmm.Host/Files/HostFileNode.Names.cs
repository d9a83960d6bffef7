using Vmm.Core.Backends.Files;
using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <content>Names in a directory.</content>
internal sealed unsafe partial class HostFileNode
{
    private const uint SetIds = 0xc00;
    private const uint CreationBits = Permissions & ~SetIds;

    public int Find(ReadOnlySpan<byte> name, out IFileNode? child)
    {
        child = null;
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = NodeName.Copy(name, copy);
        if (error != 0) return error;
        error = _tree.OpenBelow(_fd, copy, out HostFileNode? found);
        child = found;
        return error;
    }

    public int Create(ReadOnlySpan<byte> name, OpenModes modes, uint mode, NodeOwner owner, out IFileNode? child, out IOpenFile? file)
    {
        (child, file) = (null, null);
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = Prepare(name, copy);
        if (error != 0) return error;
        int fd = HostFileTree.CreateFile(_fd, copy, FlagsOf(modes), mode & CreationBits);
        if (fd >= 0) return Adopt(fd, mode, owner, out child, out file);
        if (fd != -Errno.EEXIST || (modes & OpenModes.Exclusive) != 0) return -fd;
        // It is there already, and may be anything.
        error = _tree.OpenBelow(_fd, copy, out HostFileNode? found);
        if (error != 0) return error;
        error = found!.Open(modes, out file);
        if (error == 0) child = found;
        else found.Dispose();
        return error;
    }

    public int MakeDirectory(ReadOnlySpan<byte> name, uint mode, NodeOwner owner, out NodeIdentity child)
    {
        child = default;
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = Prepare(name, copy);
        if (error != 0) return error;
        // SAFETY: as in Create.
        fixed (byte* path = copy) error = HostFileTree.Result(Libc.Mkdirat(_fd, path, mode & CreationBits));
        return error != 0 ? error : Settle(copy, mode, owner, out child);
    }

    public int MakeSymbolicLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, NodeOwner owner, out NodeIdentity child)
    {
        child = default;
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes], text = stackalloc byte[TargetBytes];
        int error = Prepare(name, copy);
        if (error == 0) error = NodeName.CopyText(target, text);
        if (error != 0) return error;
        // SAFETY: as in Create.
        fixed (byte* path = copy, to = text) error = HostFileTree.Result(Libc.Symlinkat(to, _fd, path));
        return error != 0 ? error : Settle(copy, 0, owner, out child);
    }

    public int MakeNode(ReadOnlySpan<byte> name, uint mode, uint major, uint minor, NodeOwner owner, out NodeIdentity child)
    {
        child = default;
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = Prepare(name, copy);
        if (error != 0) return error;
        switch (mode & Libc.S_IFMT)
        {
            case Libc.S_IFREG or Libc.S_IFIFO or Libc.S_IFSOCK:
                break;
            case Libc.S_IFCHR or Libc.S_IFBLK:
                if (!_tree.Options.AllowsDevices) return Errno.EPERM;
                break;
            default:
                return Errno.EINVAL;
        }

        ulong device = (minor & 0xff) | ((major & 0xfff) << 8) | ((ulong)(minor & ~0xffu) << 12) | ((ulong)(major & ~0xfffu) << 32);
        // SAFETY: as in Create.
        fixed (byte* path = copy) error = HostFileTree.Result(Libc.Mknodat(_fd, path, mode & (Libc.S_IFMT | CreationBits), device));
        return error != 0 ? error : Settle(copy, mode, owner, out child);
    }

    public int MakeHardLink(ReadOnlySpan<byte> name, IFileNode existing)
    {
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = Prepare(name, copy);
        if (error != 0) return error;
        if (existing is not HostFileNode node || node._tree != _tree) return Errno.EXDEV;
        if (!_tree.IsInside(node._fd)) return Errno.ESTALE;
        // SAFETY: as in Create.
        fixed (byte* path = copy) return _tree.LinkTo(node._fd, _fd, path);
    }

    public int Rename(ReadOnlySpan<byte> name, IFileNode to, ReadOnlySpan<byte> newName)
    {
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes], newCopy = stackalloc byte[NodeName.BufferBytes];
        if (to is not HostFileNode target || target._tree != _tree) return Errno.EXDEV;
        int error = Prepare(name, copy);
        if (error == 0) error = target.Prepare(newName, newCopy);
        if (error != 0) return error;
        // SAFETY: as in Create.
        fixed (byte* path = copy, newPath = newCopy) return HostFileTree.Result(Libc.Renameat(_fd, path, target._fd, newPath));
    }

    public int Remove(ReadOnlySpan<byte> name, bool isDirectory)
    {
        Span<byte> copy = stackalloc byte[NodeName.BufferBytes];
        int error = Prepare(name, copy);
        if (error != 0) return error;
        // SAFETY: as in Create.
        fixed (byte* path = copy) return HostFileTree.Result(Libc.Unlinkat(_fd, path, isDirectory ? Libc.AT_REMOVEDIR : 0));
    }

    public int FindPlace(out IFileNode? directory, Span<byte> name, out int length)
    {
        (directory, length) = (null, 0);
        Span<byte> path = stackalloc byte[TargetBytes];
        int error = GetPath(path, out int bytes);
        if (error != 0) return error;
        path = path[..bytes];
        if (path.IsEmpty) return Errno.EBUSY; // the top
        int slash = path.LastIndexOf((byte)'/');
        ReadOnlySpan<byte> last = path[(slash + 1)..];
        if (last.Length > name.Length) return Errno.ENAMETOOLONG;
        error = _tree.Reopen(slash < 0 ? [] : path[..slash], out directory);
        if (error != 0) return error;
        error = directory!.Find(last, out IFileNode? child);
        bool isSame = error == 0 && child!.Identity.Number == Identity.Number;
        child?.Dispose();
        if (isSame)
        {
            last.CopyTo(name);
            length = last.Length;
            return 0;
        }

        directory.Dispose();
        directory = null;
        return Errno.ESTALE;
    }

    /// <summary>What comes before every change of a directory.</summary>
    private int Prepare(ReadOnlySpan<byte> name, Span<byte> copy)
    {
        if (_tree.IsReadOnly) return Errno.EROFS;
        int error = NodeName.Copy(name, copy);
        return error != 0 || _tree.IsInside(_fd) ? error : Errno.ESTALE;
    }

    /// <summary>Finds what was just made and gives it to its owner.</summary>
    private int Settle(ReadOnlySpan<byte> name, uint mode, NodeOwner owner, out NodeIdentity child)
    {
        int error = _tree.OpenBelow(_fd, name, out HostFileNode? node);
        child = node?.Identity ?? default;
        if (error != 0) return error;
        error = node!.GiveTo(owner, mode);
        node.Dispose();
        return error;
    }

    /// <summary>Makes node and open file of what was just made.</summary>
    private int Adopt(int fd, uint mode, NodeOwner owner, out IFileNode? child, out IOpenFile? file)
    {
        (child, file) = (null, null);
        int error = _tree.NodeOf(fd, out HostFileNode? node);
        if (error == 0) error = node!.GiveTo(owner, mode);
        if (error != 0)
        {
            node?.Dispose();
            HostFileTree.Close(fd);
            return error;
        }

        child = node;
        file = new HostOpenFile(_tree, fd, node!._device, node.Identity.Number);
        return 0;
    }

    /// <summary>
    /// The new node gets its owner, if this process may give it away; else it stays the process's own, and is never set-user-id. Then it
    /// gets the permissions that the process's mask, or the change of owner, took away.
    /// </summary>
    private int GiveTo(NodeOwner owner, uint mode)
    {
        Libc.StatxBuffer stat;
        int error = HostFileTree.Stat(_fd, &stat);
        if (error != 0) return error;
        if (stat.Uid != owner.Uid || stat.Gid != owner.Gid)
        {
            error = SetOwner(owner.Uid, owner.Gid);
            if (error == Errno.EPERM) mode &= ~SetIds;
            else if (error != 0) return error;
        }

        uint missing = mode & Permissions & (_tree.CreationMask | SetIds) & ~(uint)stat.Mode;
        return missing == 0 || Identity.Kind == NodeKind.SymbolicLink ? 0 : _tree.ChangeMode(_fd, (stat.Mode & Permissions) | missing);
    }
}
