namespace Vmm.Machine;

/// <summary>What a machine has done so far.</summary>
/// <param name="RunTime">Guest time: paused time is left out.</param>
/// <param name="CpuTime">CPU time of the process.</param>
/// <param name="Cpu">"kvm" or "software".</param>
/// <param name="Instructions">Guest instructions that the software CPU executed: all, or on KVM those that KVM could not.</param>
/// <param name="Boots">How often the guest was started.</param>
/// <param name="DeviceModelCpuTime">CPU time of the process that serves devices; null where there is none.</param>
public sealed record MachineStatistics(TimeSpan RunTime, TimeSpan CpuTime, string Cpu, ulong Instructions, int Boots, TimeSpan? DeviceModelCpuTime = null)
{
    /// <summary>One line for the user.</summary>
    public override string ToString()
    {
        string line = $"ran {RunTime.TotalSeconds:0.000} s, {CpuTime.TotalSeconds:0.000} s of CPU time, {Boots} {(Boots == 1 ? "boot" : "boots")}";
        if (DeviceModelCpuTime is { } model) line += $", {model.TotalSeconds:0.000} s in the device model";
        return Cpu == "kvm" ? $"{line}, {Instructions} instructions handed to the software CPU" : $"{line}, {Instructions} instructions";
    }
}
