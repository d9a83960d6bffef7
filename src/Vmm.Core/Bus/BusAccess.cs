namespace Vmm.Core.Bus;

/// <summary>Where a device is accessed.</summary>
/// <param name="Region">The tag given when the range was attached (a BAR number for PCI).</param>
/// <param name="Offset">Bytes from the start of that range.</param>
/// <param name="Vcpu">Index of the vCPU that makes the access.</param>
public readonly record struct BusAccess(int Region, ulong Offset, int Vcpu);
