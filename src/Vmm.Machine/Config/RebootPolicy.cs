using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>What follows when the guest resets the machine.</summary>
public enum RebootPolicy
{
    /// <summary>The machine starts anew in the same process.</summary>
    [JsonStringEnumMemberName("restart")]
    Restart,

    /// <summary>The machine ends.</summary>
    [JsonStringEnumMemberName("exit")]
    Exit,
}
