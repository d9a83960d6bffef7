using System.Collections.Immutable;
using System.Text.Json;

namespace Vmm.Machine.Doctor;

/// <summary>What this host can do for guests.</summary>
/// <param name="Checks">Everything that was looked at, in the order of the table.</param>
/// <param name="Auto">What <c>--accel auto</c> takes here, and why.</param>
public sealed record HostReport(ImmutableArray<HostCheck> Checks, AccelChoice Auto)
{
    /// <summary>As indented JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, HostReportJson.Default.HostReport);
}
