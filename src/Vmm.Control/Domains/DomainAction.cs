namespace Vmm.Control.Domains;

/// <summary>What follows when a guest comes to an end (on_poweroff, on_reboot, on_crash), with the names of xl.cfg(5).</summary>
public enum DomainAction
{
    /// <summary>The domain is gone.</summary>
    Destroy,

    /// <summary>The guest is started anew.</summary>
    Restart,

    /// <summary>The domain stays, without a running guest, until it is destroyed.</summary>
    Preserve,

    /// <summary>The domain stays as with <see cref="Preserve"/>, under another name, and another one is made in its place.</summary>
    RenameRestart,

    /// <summary>A core file is written, then the domain is gone.</summary>
    CoredumpDestroy,

    /// <summary>A core file is written, then the guest is started anew.</summary>
    CoredumpRestart,
}
