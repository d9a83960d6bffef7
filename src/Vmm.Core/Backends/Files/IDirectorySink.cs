namespace Vmm.Core.Backends.Files;

/// <summary>Takes the entries of a directory.</summary>
public interface IDirectorySink
{
    /// <summary>Takes one entry.</summary>
    /// <param name="identity">What it is; the version is unknown and 1.</param>
    /// <param name="type">Linux's <c>DT_…</c> number.</param>
    /// <param name="next">Where the entry behind it is found.</param>
    /// <param name="name">Its name, good for this call only.</param>
    /// <returns>False when there is no room; then no more come.</returns>
    bool TryAdd(in NodeIdentity identity, byte type, ulong next, ReadOnlySpan<byte> name);
}
