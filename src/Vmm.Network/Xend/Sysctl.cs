using Vmm.Host;

namespace Vmm.Network.Xend;

/// <summary>Settings of the kernel's network (/proc/sys/net), of the network namespace of this thread.</summary>
internal static class Sysctl
{
    public const string Forwarding = "ipv4/ip_forward";

    private const string Root = "/proc/sys/net";

    /// <summary>A value; null where the kernel has no such setting, or does not tell.</summary>
    public static string? Read(string name)
    {
        try
        {
            return File.ReadAllText(PathOf(name)).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static void Write(string name, string value)
    {
        try
        {
            File.WriteAllText(PathOf(name), value + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException($"setting {name.Replace('/', '.')} to {value}: {e.Message}", e);
        }
    }

    /// <summary>Writes a value if the kernel has the setting at all.</summary>
    public static void WriteIfThere(string name, string value)
    {
        if (Read(name) is { } now && now != value) Write(name, value);
    }

    /// <summary>Sets an interface like another one, in all that is set for each.</summary>
    public static void CopyInterface(string from, string to)
    {
        foreach (string family in (ReadOnlySpan<string>)["ipv4", "ipv6"])
        {
            foreach (string name in ListOf(Path.Combine(Root, family, "conf", from)))
            {
                // Some can be read only, and a secret that was never set cannot even be read.
                if (Read($"{family}/conf/{from}/{name}") is not { } value || Read($"{family}/conf/{to}/{name}") == value) continue;
                try
                {
                    Write($"{family}/conf/{to}/{name}", value);
                }
                catch (LinuxException)
                {
                    // As it is by default, then.
                }
            }
        }
    }

    /// <summary>Everything that changes when forwarding is switched on, in the order in which it has to be written back.</summary>
    public static IEnumerable<string> ForwardingNames()
        => [Forwarding, "ipv4/conf/all/accept_redirects", "ipv4/conf/default/forwarding", .. Interfaces().Select(link => $"ipv4/conf/{link}/forwarding")];

    private static IEnumerable<string> Interfaces() => ListOf(Path.Combine(Root, "ipv4/conf")).Where(name => name is not ("all" or "default"));

    private static string[] ListOf(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string PathOf(string name) => Path.Combine(Root, name);
}
