using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>How the guest reaches a virtio device.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<VirtioTransportKind>))]
public enum VirtioTransportKind
{
    /// <summary>As a PCI function.</summary>
    Pci,

    /// <summary>As a page of registers on the memory bus, which ACPI names. Such a device stays as long as the machine.</summary>
    Mmio,
}
