using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>Asks the host what it can do. Nothing here changes anything, and nothing throws for what is missing.</summary>
public static unsafe class HostFacts
{
    private const int ProbeBytes = 4096;

    /// <summary>The user that this process acts as.</summary>
    public static uint UserId => Libc.GetEuid();

    /// <summary>Opens a device node for reading and writing, and closes it again.</summary>
    /// <returns>Null when that works; else why not.</returns>
    public static string? WhyNotOpen(string path)
    {
        try
        {
            LinuxFile.Open(path, Libc.O_RDWR).Dispose();
            return null;
        }
        catch (LinuxException e)
        {
            return e.Error switch
            {
                Errno.ENOENT => "does not exist",
                Errno.EACCES or Errno.EPERM => "no permission",
                _ => e.Message,
            };
        }
    }

    /// <summary>Makes a sealed memfd, maps it and closes it again.</summary>
    /// <returns>Null when that works; else why not.</returns>
    public static string? WhyNoMemfd()
    {
        try
        {
            new MappedMemory(ProbeBytes, new MappedMemoryOptions { Name = "probe" }).Dispose();
            return null;
        }
        catch (LinuxException e)
        {
            return e.Message;
        }
    }

    /// <summary>Sets up an io_uring and closes it again.</summary>
    /// <returns>Null when that works; else why not.</returns>
    public static string? WhyNoIoUring()
    {
        Libc.IoUringParams parameters = default;
        // SAFETY: a local that outlives the call; the kernel writes at most the parameter block.
        nint fd = Libc.Syscall(Libc.SYS_io_uring_setup, 1, (nint)(&parameters));
        if (fd >= 0)
        {
            _ = Libc.Close((int)fd);
            return null;
        }

        return Marshal.GetLastPInvokeError() switch
        {
            Errno.ENOSYS => "not in this kernel, or filtered",
            Errno.EPERM or Errno.EACCES => "switched off (kernel.io_uring_disabled) or filtered",
            int other => Errno.Name(other),
        };
    }

    /// <summary>Maps a page that may be written and executed.</summary>
    /// <returns>Null when that works; else why not.</returns>
    public static string? WhyNoExecutableMemory()
    {
        nint page = Libc.Mmap(0, ProbeBytes, Libc.PROT_READ | Libc.PROT_WRITE | Libc.PROT_EXEC, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if (page == Libc.MAP_FAILED) return Errno.Name(Marshal.GetLastPInvokeError());
        _ = Libc.Munmap(page, ProbeBytes);
        return null;
    }

    /// <summary>RLIMIT_NOFILE, the soft limit; null: none.</summary>
    public static ulong? OpenFilesLimit => Limit(Libc.RLIMIT_NOFILE);

    /// <summary>RLIMIT_MEMLOCK in bytes, the soft limit; null: none.</summary>
    public static ulong? LockedBytesLimit => Limit(Libc.RLIMIT_MEMLOCK);

    /// <summary>Names of the host's bridges.</summary>
    public static IReadOnlyList<string> Bridges
    {
        get
        {
            const string Interfaces = "/sys/class/net";
            return Directory.Exists(Interfaces)
                ? [.. Directory.GetDirectories(Interfaces).Where(d => Directory.Exists($"{d}/bridge")).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)]
                : [];
        }
    }

    /// <summary>Reserved huge pages of a size: how many there are and how many are free; null when the kernel has no such size.</summary>
    public static (ulong Total, ulong Free)? ReservedHugePages(int kibibytes)
    {
        string directory = $"/sys/kernel/mm/hugepages/hugepages-{kibibytes}kB";
        return ReadNumber($"{directory}/nr_hugepages") is { } total && ReadNumber($"{directory}/free_hugepages") is { } free ? (total, free) : null;
    }

    /// <summary>The mode of transparent huge pages for shared memory, or null.</summary>
    public static string? TransparentHugePages
    {
        get
        {
            string? modes = ReadText("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
            int start = modes?.IndexOf('[', StringComparison.Ordinal) ?? -1;
            int end = modes?.IndexOf(']', StringComparison.Ordinal) ?? -1;
            return start >= 0 && end > start ? modes![(start + 1)..end] : null;
        }
    }

    /// <summary>Bytes of RAM and swap that the host has, or null.</summary>
    public static ulong? MemoryAndSwapBytes
        => ReadMemInfo("MemTotal:") is { } memory ? memory + (ReadMemInfo("SwapTotal:") ?? 0) : null;

    /// <summary>Bytes of RAM that the host has, or null.</summary>
    public static ulong? MemoryBytes => ReadMemInfo("MemTotal:");

    /// <summary>Bytes of RAM that new work can have, or null.</summary>
    public static ulong? AvailableBytes => ReadMemInfo("MemAvailable:");

    private static ulong? Limit(int resource)
    {
        Libc.RLimit limit;
        // SAFETY: a local that outlives the call.
        return Libc.GetRLimit(resource, &limit) == 0 && limit.Soft != Libc.RLIM_INFINITY ? limit.Soft : null;
    }

    private static ulong? ReadMemInfo(string key)
    {
        string? line = ReadText("/proc/meminfo")?.Split('\n').FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        string? kibibytes = line?[key.Length..].Trim().Split(' ')[0];
        return ulong.TryParse(kibibytes, CultureInfo.InvariantCulture, out ulong value) ? value << 10 : null;
    }

    private static ulong? ReadNumber(string path) => ulong.TryParse(ReadText(path)?.Trim(), CultureInfo.InvariantCulture, out ulong value) ? value : null;

    private static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
