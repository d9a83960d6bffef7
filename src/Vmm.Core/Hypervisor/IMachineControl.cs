namespace Vmm.Core.Hypervisor;

/// <summary>What a device may ask of the machine as a whole. Any thread; the request is carried out soon after, not in the call.</summary>
public interface IMachineControl
{
    /// <summary>ACPI S5, or another way by which the guest turns itself off.</summary>
    void RequestPowerOff();

    /// <summary>A reset by ACPI, port 0xcf9, the keyboard controller or a triple fault.</summary>
    void RequestReset();

    /// <summary>The guest says that it has panicked (pvpanic).</summary>
    void ReportPanic();
}
