namespace Vmm.Core.Backends.Files;

/// <summary>
/// A file, directory, link or special node, as it was found: later changes of its name do not matter. Held by its holders: the first
/// comes with it, <see cref="Hold"/> makes more, each disposes once.
/// </summary>
public interface IFileNode : IDisposable
{
    /// <summary>What it is, with the version of when it was found.</summary>
    NodeIdentity Identity { get; }

    /// <summary>One more holder.</summary>
    /// <returns>This.</returns>
    IFileNode Hold();

    /// <summary>Finds an entry of this directory. A symbolic link is found itself, not what it points to.</summary>
    int Find(ReadOnlySpan<byte> name, out IFileNode? child);

    int GetAttributes(out NodeAttributes attributes);

    /// <param name="change">What shall change.</param>
    /// <param name="open">The node open for writing, if the caller has it so: its size can then be changed whatever the permissions are now.</param>
    int SetAttributes(in NodeChange change, IOpenFile? open);

    int GetUsage(out FileSystemUsage usage);

    /// <summary>Opens a file or directory; anything else is refused.</summary>
    int Open(OpenModes modes, out IOpenFile? file);

    /// <summary>Makes a file in this directory, or opens the one that is there unless <see cref="OpenModes.Exclusive"/> forbids it.</summary>
    int Create(ReadOnlySpan<byte> name, OpenModes modes, uint mode, NodeOwner owner, out IFileNode? child, out IOpenFile? file);

    int MakeDirectory(ReadOnlySpan<byte> name, uint mode, NodeOwner owner, out NodeIdentity child);

    int MakeSymbolicLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, NodeOwner owner, out NodeIdentity child);

    /// <summary>Makes an empty file, FIFO, socket or device, as the type in <paramref name="mode"/> says.</summary>
    int MakeNode(ReadOnlySpan<byte> name, uint mode, uint major, uint minor, NodeOwner owner, out NodeIdentity child);

    /// <summary>Gives another node of the same tree one more name, in this directory.</summary>
    int MakeHardLink(ReadOnlySpan<byte> name, IFileNode existing);

    /// <summary>Moves an entry of this directory.</summary>
    /// <param name="to">Directory of the same tree.</param>
    int Rename(ReadOnlySpan<byte> name, IFileNode to, ReadOnlySpan<byte> newName);

    /// <summary>Removes an entry of this directory.</summary>
    /// <param name="isDirectory">Whether it shall be an (empty) directory.</param>
    int Remove(ReadOnlySpan<byte> name, bool isDirectory);

    /// <summary>Where a symbolic link points to.</summary>
    int ReadLink(Span<byte> target, out int length);

    /// <summary>Reads an extended attribute; with an empty name, the list of names, each with a zero behind it.</summary>
    /// <param name="value">Empty to ask for the size.</param>
    int GetExtended(ReadOnlySpan<byte> name, Span<byte> value, out int length);

    /// <param name="flags">0, or Linux's XATTR_CREATE or XATTR_REPLACE.</param>
    int SetExtended(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, int flags);

    int RemoveExtended(ReadOnlySpan<byte> name);

    /// <summary>The present path from the top of the tree, empty for the top; ESTALE when it has none any more.</summary>
    int GetPath(Span<byte> path, out int length);

    /// <summary>The directory that now holds it, and its name there; ESTALE when there is none any more.</summary>
    int FindPlace(out IFileNode? directory, Span<byte> name, out int length);
}
