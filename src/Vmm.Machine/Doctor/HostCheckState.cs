namespace Vmm.Machine.Doctor;

/// <summary>How a check of the host came out.</summary>
public enum HostCheckState
{
    /// <summary>There, and as it should be.</summary>
    Ok,

    /// <summary>Usable, with a limit.</summary>
    Limited,

    /// <summary>Not there, or not permitted.</summary>
    Missing,

    /// <summary>Neither good nor bad.</summary>
    Info,
}
