namespace Vmm.Storage.Engines;

/// <summary>How I/O that has to wait for the storage is done (<c>--disk …,aio=</c>).</summary>
public enum AioMode
{
    /// <summary>The best that the host allows.</summary>
    Auto,

    /// <summary>io_uring, or an error.</summary>
    IoUring,

    /// <summary>Threads that call and wait.</summary>
    Threads,
}
