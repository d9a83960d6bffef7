namespace Vmm.Devices.Chipset;

/// <summary>How a local APIC takes a message (Intel SDM vol. 3 §11.6.1, bits 10:8).</summary>
public enum ApicDeliveryMode : byte
{
    Fixed = 0,
    LowestPriority = 1,
    SMI = 2,
    NMI = 4,
    INIT = 5,
    StartUp = 6,
    ExtINT = 7,
}
