using System.Globalization;

namespace Vmm.Control.Domains;

/// <summary>Where core files of crashed guests go. Of each domain the last few are kept.</summary>
/// <param name="path">The folder; made when it is needed.</param>
internal sealed class CoreFolder(string path)
{
    private const int MostOfADomain = 3;
    private const string Suffix = ".core";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>$VMM_DUMP_DIR; where that is not set /var/lib/vmm/dump for root, else in $XDG_STATE_HOME or ~/.local/state.</summary>
    public static string Default
    {
        get
        {
            if (Environment.GetEnvironmentVariable("VMM_DUMP_DIR") is { Length: > 0 } chosen) return Path.GetFullPath(chosen);
            if (Environment.IsPrivilegedProcess) return "/var/lib/vmm/dump";
            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            if (string.IsNullOrEmpty(state)) state = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state");
            return Path.Combine(state, "vmm", "dump");
        }
    }

    /// <summary>The path for a new core file, NAME-20260131T120000Z.core; old ones of the same domain make room.</summary>
    /// <exception cref="IOException">The folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be used.</exception>
    public string NewPath(string domain, DateTimeOffset now)
    {
        Directory.CreateDirectory(path, Private);
        // The newest have the greatest names.
        string[] earlier = [.. Directory.GetFiles(path, $"{domain}-*{Suffix}").Where(file => IsOf(domain, file)).Order(StringComparer.Ordinal)];
        foreach (string file in earlier.SkipLast(MostOfADomain - 1)) File.Delete(file);
        return Path.Combine(path, $"{domain}-{Stamp(now)}{Suffix}");
    }

    /// <summary>A moment in the form of xl's names: 20260131T120000Z.</summary>
    public static string Stamp(DateTimeOffset now) => now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    // "a-b-STAMP" is a file of the domain "a-b", not of "a".
    private static bool IsOf(string domain, string file)
    {
        string stamp = Path.GetFileNameWithoutExtension(file)[(domain.Length + 1)..];
        return stamp.Length == Stamp(default).Length && !stamp.Contains('-', StringComparison.Ordinal);
    }
}
