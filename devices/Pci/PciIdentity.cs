namespace Vmm.Devices.Pci;

/// <summary>The identification registers of a function (PCI Local Bus 3.0 §6.2.1).</summary>
public sealed record PciIdentity
{
    public required ushort VendorId { get; init; }
    public required ushort DeviceId { get; init; }
    public byte Revision { get; init; }

    /// <summary>Base class, subclass and programming interface, 24 bits.</summary>
    public required uint ClassCode { get; init; }

    public ushort SubsystemVendorId { get; init; }
    public ushort SubsystemId { get; init; }
}
