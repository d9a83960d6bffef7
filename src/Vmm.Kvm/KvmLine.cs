using Vmm.Core.Interrupts;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>The wire of one GSI into KVM's chips.</summary>
internal sealed class KvmLine(KvmMachine machine, int gsi) : IInterruptLine
{
    private readonly Lock _gate = new();

    public bool IsAsserted { get; private set; }

    public void SetLevel(bool asserted)
    {
        lock (_gate)
        {
            if (IsAsserted == asserted) return;
            IsAsserted = asserted;
            KvmIrqLevel level = new() { Gsi = (uint)gsi, Level = asserted ? 1u : 0u };
            KvmCall.Must(machine.Fd, KvmIoctl.KVM_IRQ_LINE, ref level, "driving an interrupt line");
        }
    }

    // The chips were restored before and remember the level they had seen, so driving the same level again makes no edge in them.
    public void RestoreLevel(bool asserted) => SetLevel(asserted);
}
