namespace Vmm.Firmware.Smbios;

/// <summary>What the SMBIOS tables say of a machine. Strings are printable ASCII of at most 64 characters; an empty one is left out.</summary>
public sealed record SmbiosOptions
{
    /// <summary>Processors.</summary>
    public required int VcpuCount { get; init; }

    /// <summary>System manufacturer.</summary>
    public string Manufacturer { get; init; } = "Vmm";

    /// <summary>Product name.</summary>
    public string Product { get; init; } = "Virtual Machine";

    /// <summary>System version.</summary>
    public string Version { get; init; } = "";

    /// <summary>System serial number.</summary>
    public string SerialNumber { get; init; } = "";

    /// <summary>SKU number.</summary>
    public string Sku { get; init; } = "";

    /// <summary>Product family.</summary>
    public string Family { get; init; } = "";

    /// <summary>The machine's UUID; all zero means "none".</summary>
    public Guid Uuid { get; init; }
}
