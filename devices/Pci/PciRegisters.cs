namespace Vmm.Devices.Pci;

/// <summary>Offsets of the type 0 configuration header (PCI Local Bus 3.0 §6.1).</summary>
public static class PciRegisters
{
    public const int VendorId = 0x00;
    public const int DeviceId = 0x02;
    public const int Command = 0x04;
    public const int Status = 0x06;
    public const int RevisionId = 0x08;
    public const int ClassCode = 0x09;
    public const int CacheLineSize = 0x0c;
    public const int LatencyTimer = 0x0d;
    public const int HeaderType = 0x0e;
    public const int Bar0 = 0x10;
    public const int SubsystemVendorId = 0x2c;
    public const int SubsystemId = 0x2e;
    public const int CapabilitiesPointer = 0x34;
    public const int InterruptLine = 0x3c;
    public const int InterruptPin = 0x3d;

    /// <summary>First byte that a capability may take.</summary>
    public const int FirstCapability = 0x40;

    /// <summary>Bytes of the conventional configuration space.</summary>
    public const int ConventionalBytes = 0x100;

    /// <summary>Bytes of the extended one, as the memory-mapped window shows it.</summary>
    public const int ExtendedBytes = 0x1000;

    /// <summary>Base address registers of a type 0 header.</summary>
    public const int BarCount = 6;
}
