namespace Vmm.Core.Backends.Files;

/// <summary>
/// A directory of the host with all that lies below it, for a guest to share. Nothing outside can be reached through it, whatever the
/// guest, or another process that moves things about, does. Names are bytes as the guest sent them and are judged here. Calls come
/// from any thread, block until done, and answer with a Linux error number (0: done); nothing throws because of what a guest asked.
/// </summary>
public interface IFileTree : IDisposable
{
    /// <summary>True when no request can change anything.</summary>
    bool IsReadOnly { get; }

    /// <summary>The directory at the top.</summary>
    int OpenRoot(out IFileNode? root);

    /// <summary>Finds again what <see cref="IFileNode.GetPath"/> named; symbolic links on the way are not followed.</summary>
    /// <param name="path">Relative to the top; empty for the top itself.</param>
    int Reopen(ReadOnlySpan<byte> path, out IFileNode? node);
}
