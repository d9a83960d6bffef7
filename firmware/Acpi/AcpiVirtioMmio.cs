namespace Vmm.Firmware.Acpi;

/// <summary>A virtio device on the memory bus (_HID LNRO0005, which Linux's virtio_mmio looks for).</summary>
/// <param name="Number">0 to 255: its _UID and a part of its name.</param>
/// <param name="Address">Its registers, below 4 GiB.</param>
/// <param name="SizeBytes">Their bytes.</param>
/// <param name="Gsi">Its interrupt: level, active high, shared with others of its kind.</param>
public sealed record AcpiVirtioMmio(byte Number, uint Address, uint SizeBytes, uint Gsi) : IAmlContributor
{
    /// <inheritdoc/>
    public void Contribute(Aml systemBus)
        => systemBus.Device($"VM{Number:X2}", d => d.HardwareId("LNRO0005").Name("_UID", Number)
            .CurrentResources(r => r.Memory32(Address, SizeBytes).Interrupt(Gsi, isShared: true)));
}
