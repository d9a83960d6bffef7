namespace Vmm.Firmware.Acpi;

/// <summary>A part of the machine that describes itself in the DSDT.</summary>
public interface IAmlContributor
{
    /// <summary>Adds objects to the scope \_SB.</summary>
    void Contribute(Aml systemBus);
}
