using System.Globalization;
using Vmm.Host.Sandbox;

namespace Vmm.Host;

/// <summary>What this process may do (capabilities(7)).</summary>
public static class HostPrivilege
{
    private const string Status = "/proc/thread-self/status";

    /// <summary>Whether it may change the network of its namespace (CAP_NET_ADMIN).</summary>
    public static bool HasNetAdmin => ((Capability)Effective & Capability.CAP_NET_ADMIN) != 0;

    /// <summary>What the calling thread may do now.</summary>
    internal static ulong Effective => Read("CapEff:");

    /// <summary>What it may ever come to.</summary>
    internal static ulong Bounding => Read("CapBnd:");

    private static ulong Read(string key)
    {
        try
        {
            string? line = File.ReadLines(Status).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
            return line is not null && ulong.TryParse(line.AsSpan(key.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong bits) ? bits : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
