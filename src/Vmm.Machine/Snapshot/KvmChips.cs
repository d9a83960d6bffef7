using System.Diagnostics;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Kvm;

namespace Vmm.Machine.Snapshot;

/// <summary>The interrupt controllers and the 8254 of the kernel.</summary>
internal sealed class KvmChips(KvmMachine machine) : IStateful<InterruptChipsState>
{
    /// <inheritdoc/>
    public InterruptChipsState Save()
    {
        KvmMachineState state = machine.Save();
        return new()
        {
            Pic = new() { Master = KvmChipCodec.DecodePic(state.PicMaster), Slave = KvmChipCodec.DecodePic(state.PicSlave) },
            IoApic = KvmChipCodec.DecodeIoApic(state.IoApic),
            Pit = KvmChipCodec.DecodePit(state.Pit, Stopwatch.GetTimestamp()),
        };
    }

    /// <inheritdoc/>
    public void Restore(InterruptChipsState state)
    {
        if (state.Version != InterruptChipsState.CurrentVersion) throw new StateException($"state version {state.Version} cannot be restored");
        try
        {
            machine.Restore(machine.Save() with
            {
                PicMaster = KvmChipCodec.EncodePic(state.Pic.Master, isMaster: true),
                PicSlave = KvmChipCodec.EncodePic(state.Pic.Slave, isMaster: false),
                IoApic = KvmChipCodec.EncodeIoApic(state.IoApic),
                Pit = KvmChipCodec.EncodePit(state.Pit),
            });
        }
        catch (HypervisorException e)
        {
            throw new StateException(e.Message, e);
        }
    }
}
