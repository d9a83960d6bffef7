namespace Vmm.Core.Bus;

/// <summary>How a device judged an access. The bus reports the others once per device and answers a failed read with all ones.</summary>
public enum BusResult : byte
{
    Ok,

    /// <summary>No register stands at this offset.</summary>
    NoRegister,

    /// <summary>The register cannot be accessed with this width.</summary>
    BadWidth,

    /// <summary>The register must be accessed at its natural alignment.</summary>
    Unaligned,
}
