namespace Vmm.Devices.Legacy;

/// <summary>
/// The A20 gate as software sees it: one bit behind the keyboard controller and port 0x92. Address line 20 itself is always on, as it is
/// on processors since 2013; no guest that is still used needs the wrap at 1 MiB.
/// </summary>
public sealed class A20Gate
{
    /// <summary>The bit.</summary>
    public bool IsEnabled { get; set; } = true;
}
