using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Machine.Build;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine;

/// <content>A board that goes on where another one was saved.</content>
internal sealed partial class Board
{
    /// <summary>Puts devices, interrupt chips and vCPUs into their states; memory has its contents. The board has not run.</summary>
    /// <exception cref="StateException">What was saved does not fit.</exception>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public void Restore(SnapshotReader saved, ICpuPlatform platform)
    {
        Machine!.Pause();
        States.Restore(saved.Nodes);
        platform.RestoreClock(this, saved.Manifest.ParavirtualClockNs);
        VcpuState[] states = saved.VcpuStates();
        foreach (VcpuThread vcpu in _vcpus)
        {
            vcpu.Execute(v =>
            {
                if (saved.Manifest.TscHz != platform.TscHz(v) && !platform.TrySetTscHz(v, saved.Manifest.TscHz))
                    throw new HypervisorException($"the guest's time stamp counter ran at {saved.Manifest.TscHz / 1_000_000} MHz, and {platform.Name} cannot have it do so here");
                v.Apply(states[v.Index]);
            });
        }
    }
}
