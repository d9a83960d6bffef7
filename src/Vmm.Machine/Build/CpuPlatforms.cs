using Vmm.Core.Hypervisor;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>Chooses the CPU that a configuration asks for.</summary>
internal static class CpuPlatforms
{
    /// <param name="config">The machine.</param>
    /// <param name="saved">The machine that goes on; null for one that begins.</param>
    /// <param name="note">Takes the line that says what "auto" chose and why.</param>
    /// <exception cref="HypervisorException">It cannot be had.</exception>
    /// <exception cref="Core.State.StateException">It is not enough for what was saved.</exception>
    public static ICpuPlatform Create(MachineConfig config, SnapshotReader? saved, Action<string> note)
    {
        Accelerator accel = config.Accel;
        if (accel == Accelerator.Auto && saved is not null && saved.Manifest.Cpu != KvmPlatform.CpuName)
        {
            // A guest goes on best where it was.
            accel = Accelerator.Software;
        }
        else if (accel == Accelerator.Auto)
        {
            AccelChoice choice = AccelSelector.Choose();
            note(choice.ToString());
            accel = choice.Accel;
        }

        ICpuPlatform platform = accel == Accelerator.Kvm ? new KvmPlatform(config, saved) : new SoftwarePlatform(config, saved);
        try
        {
            if (saved is not null) SavedCpuCheck.Check(saved, platform);
            return platform;
        }
        catch
        {
            platform.Dispose();
            throw;
        }

    }
}
