using Vmm.Core.Memory;

namespace Vmm.Core.Backends.Files;

/// <summary>An open file or directory of an <see cref="IFileTree"/>; goes on working when its name is gone. Dispose it once, when no call is under way.</summary>
public interface IOpenFile : IDisposable
{
    /// <summary>Reads what is there.</summary>
    /// <param name="done">Bytes that came; fewer than asked at the end of the file.</param>
    int Read(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done);

    /// <summary>Writes what is given.</summary>
    /// <param name="done">Bytes that were written; not 0 without an error.</param>
    int Write(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done);

    /// <summary>Waits until what was written is on stable storage.</summary>
    /// <param name="dataOnly">Attributes that are not needed to read it back may wait.</param>
    int Sync(bool dataOnly);

    /// <summary>Gives entries to a sink. One call at a time.</summary>
    /// <param name="position">0, or where an entry said that the next is found.</param>
    int ReadDirectory(ulong position, IDirectorySink sink);

    /// <summary>Sets or drops a record lock against other users of the host's file, without waiting: EAGAIN when somebody has it.</summary>
    int TryLock(in FileLock wanted);

    /// <summary>Finds a lock that stands in the way.</summary>
    /// <param name="wanted">What would be locked.</param>
    /// <param name="found">The lock in the way, or <paramref name="wanted"/> with <see cref="FileLockKind.None"/>.</param>
    int TestLock(in FileLock wanted, out FileLock found);
}
