namespace Vmm.Control.Domains;

/// <summary>What follows when a guest comes to an end (on_poweroff, on_reboot, on_crash).</summary>
public enum DomainAction
{
    /// <summary>The domain is gone.</summary>
    Destroy,

    /// <summary>The guest is started anew.</summary>
    Restart,

    /// <summary>The domain stays, without a running guest, until it is destroyed.</summary>
    Preserve,
}
