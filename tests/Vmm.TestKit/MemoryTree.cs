using System.Text;
using Vmm.Core.Backends.Files;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A file tree in memory, always the same for the same calls. It counts what is held, so that a test sees what was forgotten.</summary>
public sealed class MemoryTree : IFileTree
{
    private const int ENOENT = 2, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENOSPC = 28, ENOTEMPTY = 39, ENODATA = 61;
    private const int MostNodes = 500, MostBytes = 1 << 16;

    private readonly Node _root;
    private ulong _numbers;

    public MemoryTree() => _root = new Node(this, NodeKind.Directory);

    public bool IsReadOnly => false;

    /// <summary>Nodes and open files that are held.</summary>
    public int Held { get; private set; }

    public int OpenRoot(out IFileNode? root)
    {
        root = _root.Hold();
        return 0;
    }

    public int Reopen(ReadOnlySpan<byte> path, out IFileNode? node)
    {
        node = null;
        Node? at = _root;
        foreach (string name in Encoding.Latin1.GetString(path).Split('/', StringSplitOptions.RemoveEmptyEntries)) at = at?.Children.GetValueOrDefault(name);
        node = at?.Hold();
        return at is null ? ENOENT : 0;
    }

    public void Dispose() { }

    private sealed class Node(MemoryTree tree, NodeKind kind) : IFileNode
    {
        public SortedDictionary<string, Node> Children { get; } = new(StringComparer.Ordinal);

        public Dictionary<string, byte[]> Extended { get; } = [];

        public byte[] Content { get; set; } = [];

        public NodeIdentity Identity { get; } = new(kind, ++tree._numbers, 1);

        public IFileNode Hold()
        {
            tree.Held++;
            return this;
        }

        public void Dispose() => tree.Held--;

        public int Find(ReadOnlySpan<byte> name, out IFileNode? child)
        {
            child = null;
            if (kind != NodeKind.Directory) return ENOTDIR;
            if (!Children.TryGetValue(Text(name), out Node? found)) return ENOENT;
            child = found.Hold();
            return 0;
        }

        public int GetAttributes(out NodeAttributes attributes)
        {
            attributes = new() { Identity = Identity, Mode = 0x81a4, SizeBytes = (ulong)Content.Length, Born = new NodeTime(1, 2) };
            return 0;
        }

        public int SetAttributes(in NodeChange change, IOpenFile? open) => change.SizeBytes is { } size ? Resize(size) : 0;

        public int GetUsage(out FileSystemUsage usage)
        {
            usage = new(1, 4096, 2, 3, 4, 5, 6, 7, 255);
            return 0;
        }

        public int Open(OpenModes modes, out IOpenFile? file)
        {
            file = null;
            if (kind is NodeKind.Special or NodeKind.SymbolicLink) return EINVAL;
            if (kind == NodeKind.Directory && (modes & OpenModes.Write) != 0) return EISDIR;
            if ((modes & OpenModes.Truncate) != 0) Content = [];
            tree.Held++;
            file = new OpenFile(tree, this);
            return 0;
        }

        public int Create(ReadOnlySpan<byte> name, OpenModes modes, uint mode, NodeOwner owner, out IFileNode? child, out IOpenFile? file)
        {
            (child, file) = (null, null);
            int error = Make(name, NodeKind.File, out _);
            if (error != 0 && (error != EEXIST || (modes & OpenModes.Exclusive) != 0)) return error;
            Node made = Children[Text(name)];
            error = made.Open(modes, out file);
            if (error == 0) child = made.Hold();
            return error;
        }

        public int MakeDirectory(ReadOnlySpan<byte> name, uint mode, NodeOwner owner, out NodeIdentity child) => Make(name, NodeKind.Directory, out child);

        public int MakeSymbolicLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, NodeOwner owner, out NodeIdentity child)
        {
            int error = Make(name, NodeKind.SymbolicLink, out child);
            if (error == 0) Children[Text(name)].Content = target.ToArray();
            return error;
        }

        public int MakeNode(ReadOnlySpan<byte> name, uint mode, uint major, uint minor, NodeOwner owner, out NodeIdentity child) => Make(name, NodeKind.Special, out child);

        public int MakeHardLink(ReadOnlySpan<byte> name, IFileNode existing)
            => kind != NodeKind.Directory ? ENOTDIR : existing.Identity.Kind == NodeKind.Directory ? EINVAL : Children.TryAdd(Text(name), (Node)existing) ? 0 : EEXIST;

        public int Rename(ReadOnlySpan<byte> name, IFileNode to, ReadOnlySpan<byte> newName)
        {
            Node target = (Node)to;
            if (kind != NodeKind.Directory || to.Identity.Kind != NodeKind.Directory) return ENOTDIR;
            if (!Children.TryGetValue(Text(name), out Node? moved)) return ENOENT;
            if (moved.Identity.Kind == NodeKind.Directory || target.Children.ContainsKey(Text(newName))) return EINVAL;
            Children.Remove(Text(name));
            target.Children.Add(Text(newName), moved);
            return 0;
        }

        public int Remove(ReadOnlySpan<byte> name, bool isDirectory)
        {
            if (kind != NodeKind.Directory) return ENOTDIR;
            if (!Children.TryGetValue(Text(name), out Node? child)) return ENOENT;
            if (isDirectory != (child.Identity.Kind == NodeKind.Directory)) return isDirectory ? ENOTDIR : EISDIR;
            if (child.Children.Count != 0) return ENOTEMPTY;
            Children.Remove(Text(name));
            return 0;
        }

        public int ReadLink(Span<byte> target, out int length)
        {
            length = kind == NodeKind.SymbolicLink && Content.Length <= target.Length ? Content.Length : 0;
            Content.AsSpan(0, length).CopyTo(target);
            return kind == NodeKind.SymbolicLink ? 0 : EINVAL;
        }

        public int GetExtended(ReadOnlySpan<byte> name, Span<byte> value, out int length)
        {
            length = 0;
            byte[]? found = name.IsEmpty ? Encoding.Latin1.GetBytes(string.Join('\0', Extended.Keys)) : Extended.GetValueOrDefault(Text(name));
            if (found is null) return ENODATA;
            length = found.Length;
            if (!value.IsEmpty) found.CopyTo(value);
            return 0;
        }

        public int SetExtended(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, int flags)
        {
            if (Extended.Count >= 8) return ENOSPC;
            Extended[Text(name)] = value.ToArray();
            return 0;
        }

        public int RemoveExtended(ReadOnlySpan<byte> name) => Extended.Remove(Text(name)) ? 0 : ENODATA;

        public int GetPath(Span<byte> path, out int length)
        {
            string? found = PathTo(tree._root, "", 0);
            length = found is null ? 0 : Encoding.Latin1.GetBytes(found, path);
            return found is null ? ENOENT : 0;
        }

        public int FindPlace(out IFileNode? directory, Span<byte> name, out int length)
        {
            (directory, length) = (null, 0);
            string? path = PathTo(tree._root, "", 0);
            if (string.IsNullOrEmpty(path)) return ENOENT;
            string[] names = path.Split('/');
            length = Encoding.Latin1.GetBytes(names[^1], name);
            return tree.Reopen(Encoding.Latin1.GetBytes(string.Join('/', names[..^1])), out directory);
        }

        public int Resize(ulong size)
        {
            if (kind != NodeKind.File) return EINVAL;
            if (size > MostBytes) return ENOSPC;
            byte[] content = Content;
            Array.Resize(ref content, (int)size);
            Content = content;
            return 0;
        }

        private static string Text(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);

        private int Make(ReadOnlySpan<byte> name, NodeKind made, out NodeIdentity child)
        {
            child = default;
            if (kind != NodeKind.Directory) return ENOTDIR;
            string text = Text(name);
            if (text.Length is 0 or > 255 || text is "." or ".." || text.AsSpan().ContainsAny('/', '\0')) return EINVAL;
            if (tree._numbers > MostNodes) return ENOSPC;
            Node node = new(tree, made);
            if (!Children.TryAdd(text, node)) return EEXIST;
            child = node.Identity;
            return 0;
        }

        private string? PathTo(Node at, string path, int depth)
        {
            if (at == this) return path;
            if (depth > 16) return null;
            foreach ((string name, Node child) in at.Children)
            {
                if (PathTo(child, path.Length == 0 ? name : $"{path}/{name}", depth + 1) is { } found) return found;
            }

            return null;
        }
    }

    private sealed unsafe class OpenFile(MemoryTree tree, Node node) : IOpenFile
    {
        public int Read(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done)
        {
            done = 0;
            if (node.Identity.Kind == NodeKind.Directory) return EISDIR;
            ReadOnlySpan<byte> rest = offset >= (ulong)node.Content.Length ? [] : node.Content.AsSpan((int)offset);
            IoCursor.TrySum(vectors, out ulong most);
            rest = rest[..(int)Math.Min(most, (ulong)rest.Length)];
            new IoCursor(vectors).Fill(rest);
            done = (ulong)rest.Length;
            return 0;
        }

        public int Write(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done)
        {
            IoCursor.TrySum(vectors, out done);
            if (offset > MostBytes || done > MostBytes - offset) return ENOSPC;
            if (offset + done > (ulong)node.Content.Length && node.Resize(offset + done) is var error and not 0) return error;
            new IoCursor(vectors).Drain(node.Content.AsSpan((int)offset, (int)done));
            return 0;
        }

        public int Sync(bool dataOnly) => 0;

        public int ReadDirectory(ulong position, IDirectorySink sink)
        {
            if (node.Identity.Kind != NodeKind.Directory) return ENOTDIR;
            foreach ((string name, Node child) in node.Children.Skip((int)Math.Min(position, int.MaxValue)))
            {
                if (!sink.TryAdd(child.Identity, 8, ++position, Encoding.Latin1.GetBytes(name))) return 0;
            }

            return 0;
        }

        public int TryLock(in FileLock wanted) => 0;

        public int TestLock(in FileLock wanted, out FileLock found)
        {
            found = wanted with { Kind = FileLockKind.None };
            return 0;
        }

        public void Dispose() => tree.Held--;
    }
}
