using Vmm.Core.State;
using Vmm.Devices.Chipset;

namespace Vmm.Machine.Snapshot;

/// <summary>The interrupt controllers and the 8254 of this process.</summary>
internal sealed class SoftwareChips(InterruptFabric fabric, I8254Pit pit) : IStateful<InterruptChipsState>
{
    /// <inheritdoc/>
    public InterruptChipsState Save() => new() { Pic = fabric.Pic.Save(), IoApic = fabric.IoApic.Save(), Pit = pit.Save() };

    /// <inheritdoc/>
    public void Restore(InterruptChipsState state)
    {
        if (state.Version != InterruptChipsState.CurrentVersion) throw new StateException($"state version {state.Version} cannot be restored");
        // Its wire is an input of the other two.
        pit.Restore(state.Pit);
        fabric.Pic.Restore(state.Pic);
        fabric.IoApic.Restore(state.IoApic);
    }
}
