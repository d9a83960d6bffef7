using Vmm.Core.Hypervisor;
using Vmm.Machine.Config;

namespace Vmm.Machine.Build;

/// <summary>Chooses the CPU that a configuration asks for.</summary>
internal static class CpuPlatforms
{
    /// <param name="config">The machine.</param>
    /// <param name="note">Takes the line that says what "auto" chose and why.</param>
    /// <exception cref="HypervisorException">It cannot be had.</exception>
    public static ICpuPlatform Create(MachineConfig config, Action<string> note)
    {
        Accelerator accel = config.Accel;
        if (accel == Accelerator.Auto)
        {
            AccelChoice choice = AccelSelector.Choose();
            note(choice.ToString());
            accel = choice.Accel;
        }

        return accel == Accelerator.Kvm ? new KvmPlatform(config) : new SoftwarePlatform(config);
    }
}
