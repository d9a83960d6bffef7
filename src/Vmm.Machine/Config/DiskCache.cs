namespace Vmm.Machine.Config;

/// <summary>Where a disk's writes may wait (<c>--disk …,cache=</c>).</summary>
public enum DiskCache
{
    /// <summary>In the host's page cache; the guest is told to flush and does.</summary>
    Writeback,

    /// <summary>In no cache: a write ends when it is on the storage. The guest needs no flushes.</summary>
    Writethrough,

    /// <summary>Past the host's page cache (O_DIRECT); the guest flushes the storage's own cache.</summary>
    None,

    /// <summary>In the host's page cache, and flushes are not waited for: a crash of the host may destroy the image.</summary>
    Unsafe,
}
