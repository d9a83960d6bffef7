using System.Globalization;

namespace Vmm.Host;

/// <summary>What this process may do (capabilities(7)).</summary>
public static class HostPrivilege
{
    private const string Status = "/proc/thread-self/status", Key = "CapEff:";
    private const int NetAdmin = 12;

    /// <summary>Whether it may change the network of its namespace (CAP_NET_ADMIN).</summary>
    public static bool HasNetAdmin => (Effective() & (1UL << NetAdmin)) != 0;

    private static ulong Effective()
    {
        try
        {
            string? line = File.ReadLines(Status).FirstOrDefault(l => l.StartsWith(Key, StringComparison.Ordinal));
            return line is not null && ulong.TryParse(line.AsSpan(Key.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong bits) ? bits : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
