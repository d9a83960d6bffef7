namespace Vmm.Control.Xl;

/// <summary>An entry of xl's <c>disk</c> list.</summary>
public sealed record XlDiskSpec
{
    /// <summary>The image or device; null for a drive without a medium.</summary>
    public string? Target { get; init; }

    /// <summary>raw, qcow2, vhd, …; as xl does, raw where nothing is said.</summary>
    public string Format { get; init; } = "raw";

    /// <summary>The guest's name for it: hda, xvda, sda1, d0p1.</summary>
    public required XlVirtualDevice Device { get; init; }

    public bool IsReadOnly { get; init; }

    public bool IsCdrom { get; init; }

    /// <summary>Discards are passed on; null where nothing is said.</summary>
    public bool? Discard { get; init; }

    /// <summary>A hook script that makes the target, beginning with "block-" for the old prefixes.</summary>
    public string? Script { get; init; }

    /// <summary>The domain that serves the disk; null for Domain-0.</summary>
    public string? Backend { get; init; }

    /// <summary>phy, qdisk, tap or standalone; null where nothing is said.</summary>
    public string? BackendType { get; init; }

    /// <summary>xen or virtio; null where nothing is said.</summary>
    public string? Specification { get; init; }

    public bool IsDirectIoSafe { get; init; }

    /// <summary>The image may name another one below it. xl has no such flag: there it always may.</summary>
    public bool AllowsBacking { get; init; }
}
