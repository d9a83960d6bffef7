namespace Vmm.Devices.Chipset;

/// <summary>How much RAM the CMOS tells firmware about.</summary>
/// <param name="Below4G">Bytes of RAM below 4 GiB, from address 0.</param>
/// <param name="Above4G">Bytes of RAM from 4 GiB on.</param>
public readonly record struct CmosMemorySize(ulong Below4G, ulong Above4G);
