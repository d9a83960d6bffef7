namespace Vmm.Host;

/// <summary>Which pages stand behind guest memory.</summary>
public enum HugePages : byte
{
    /// <summary>4 KiB pages, or what the kernel chooses.</summary>
    None,

    /// <summary>Asks for transparent huge pages (madvise); the kernel gives them where it can.</summary>
    Transparent,

    /// <summary>2 MiB pages from the reserved pool (vm.nr_hugepages); all of them or an error.</summary>
    Reserved2M,

    /// <summary>1 GiB pages from the reserved pool; all of them or an error.</summary>
    Reserved1G,
}
