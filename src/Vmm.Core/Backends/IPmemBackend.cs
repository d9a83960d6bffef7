namespace Vmm.Core.Backends;

/// <summary>Persistent memory: the host's file behind a range of guest memory.</summary>
public interface IPmemBackend
{
    /// <summary>Bytes of the range.</summary>
    ulong SizeBytes { get; }

    /// <summary>Makes everything that the guest had stored before this call safe from a crash of the host. Any thread; blocks.</summary>
    BlockResult Flush();
}
