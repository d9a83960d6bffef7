namespace Vmm.Control.Domains;

/// <summary>What a domain is doing, as it wrote it down last.</summary>
public enum DomainState
{
    /// <summary>It is being made.</summary>
    Starting,
    Running,
    Paused,

    /// <summary>It has ended and its process is going, or it is kept because its configuration says preserve.</summary>
    Ended,
}
