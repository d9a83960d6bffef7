using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>The capabilities of KVM that are used, and what is lost without each.</summary>
internal static class KvmCapabilityTable
{
    /// <summary>One capability.</summary>
    /// <param name="Number">KVM_CAP_…</param>
    /// <param name="Name">The name without prefix.</param>
    /// <param name="IsNeeded">True when no guest runs without it.</param>
    /// <param name="NeededFor">What it is used for.</param>
    /// <param name="Consequence">What follows when it is missing.</param>
    public readonly record struct Row(int Number, string Name, bool IsNeeded, string NeededFor, string Consequence);

    public static IReadOnlyList<Row> All { get; } =
    [
        Needed(KvmCapability.KVM_CAP_USER_MEMORY, "USER_MEMORY", "guest memory"),
        Needed(KvmCapability.KVM_CAP_IRQCHIP, "IRQCHIP", "interrupt controllers in the kernel"),
        Needed(KvmCapability.KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING", "interrupt wiring"),
        Needed(KvmCapability.KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI", "message-signalled interrupts"),
        Needed(KvmCapability.KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT", "stopping a vCPU without a race"),
        Needed(KvmCapability.KVM_CAP_MP_STATE, "MP_STATE", "starting processors"),
        Needed(KvmCapability.KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS", "saving pending events"),
        Needed(KvmCapability.KVM_CAP_DEBUGREGS, "DEBUGREGS", "saving debug registers"),
        Needed(KvmCapability.KVM_CAP_XSAVE, "XSAVE", "saving the floating-point state"),
        Wanted(KvmCapability.KVM_CAP_XCRS, "XCRS", "saving XCR0", "guests without XSAVE and AVX"),
        Wanted(KvmCapability.KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR", "real mode on older Intel processors", "no real mode there"),
        Wanted(KvmCapability.KVM_CAP_PIT2, "PIT2", "the interval timer in the kernel", "the timer runs in user space"),
        Wanted(KvmCapability.KVM_CAP_SPLIT_IRQCHIP, "SPLIT_IRQCHIP", "IOAPIC and 8259 in user space", "no split interrupt controller"),
        Wanted(KvmCapability.KVM_CAP_IRQFD, "IRQFD", "interrupts by eventfd", "device processes cannot interrupt directly"),
        Wanted(KvmCapability.KVM_CAP_IOEVENTFD, "IOEVENTFD", "doorbells by eventfd", "each doorbell costs an exit"),
        Wanted(KvmCapability.KVM_CAP_IOEVENTFD_ANY_LENGTH, "IOEVENTFD_ANY_LENGTH", "doorbells of any width", "doorbells of any width cost an exit"),
        Wanted(KvmCapability.KVM_CAP_READONLY_MEM, "READONLY_MEM", "ROM", "firmware can be overwritten by the guest: refused"),
        Wanted(KvmCapability.KVM_CAP_SYNC_REGS, "SYNC_REGS", "fast hand-over of instructions to the software CPU", "each costs more system calls"),
        Wanted(KvmCapability.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, "MANUAL_DIRTY_LOG_PROTECT2", "a cheaper dirty log", "collecting dirty pages stops the guest longer"),
        Wanted(KvmCapability.KVM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER", "the TSC-deadline timer", "guests use the older timer modes"),
        Wanted(KvmCapability.KVM_CAP_ADJUST_CLOCK, "ADJUST_CLOCK", "saving kvmclock", "the guest's clock jumps after a restore"),
        Wanted(KvmCapability.KVM_CAP_GET_TSC_KHZ, "GET_TSC_KHZ", "the TSC's frequency", "the frequency is not known to the VMM"),
        Wanted(KvmCapability.KVM_CAP_TSC_CONTROL, "TSC_CONTROL", "a TSC of another frequency", "snapshots move only between hosts of equal TSC frequency"),
        Wanted(KvmCapability.KVM_CAP_DISABLE_QUIRKS2, "DISABLE_QUIRKS2", "#UD for VMCALL where KVM cannot serve it", "VMCALL in ring 0 may hang a vCPU on a paravirtual KVM"),
    ];

    private static Row Needed(int number, string name, string neededFor) => new(number, name, true, neededFor, "no guest runs");

    private static Row Wanted(int number, string name, string neededFor, string consequence) => new(number, name, false, neededFor, consequence);
}
