using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.State;

namespace Vmm.Machine.Snapshot;

/// <summary>A <see cref="VcpuState"/> as it is written, with what CPUID tells the guest.</summary>
internal sealed record SavedVcpu
{
    public const int CurrentVersion = 1;

    private const int MostMsrs = 4096, MostCpuidEntries = 1024, LocalApicBytes = 1024;

    public int Version { get; init; } = CurrentVersion;
    public required ulong[] Gpr { get; init; }
    public ulong Rip { get; init; }
    public ulong Rflags { get; init; }
    public SegmentState Es { get; init; }
    public SegmentState Cs { get; init; }
    public SegmentState Ss { get; init; }
    public SegmentState Ds { get; init; }
    public SegmentState Fs { get; init; }
    public SegmentState Gs { get; init; }
    public SegmentState Ldtr { get; init; }
    public SegmentState Tr { get; init; }
    public DescriptorTableState Gdtr { get; init; }
    public DescriptorTableState Idtr { get; init; }
    public ulong Cr0 { get; init; }
    public ulong Cr2 { get; init; }
    public ulong Cr3 { get; init; }
    public ulong Cr4 { get; init; }
    public byte Cr8 { get; init; }
    public ulong Efer { get; init; }
    public ulong Xcr0 { get; init; }
    public required byte[] Xsave { get; init; }
    public required ulong[] Dr { get; init; }
    public ulong Dr6 { get; init; }
    public ulong Dr7 { get; init; }
    public required MsrValue[] Msrs { get; init; }
    public ulong Tsc { get; init; }
    public VcpuActivity Activity { get; init; }
    public VcpuEvents Events { get; init; }
    public ulong ApicBase { get; init; }
    public byte[]? LocalApic { get; init; }
    public ulong TscDeadline { get; init; }
    public required CpuidEntry[] Cpuid { get; init; }

    public static SavedVcpu Of(VcpuState from, CpuidTable cpuid) => new()
    {
        Gpr = [.. from.Gpr],
        Rip = from.Rip,
        Rflags = from.Rflags,
        Es = from.Es,
        Cs = from.Cs,
        Ss = from.Ss,
        Ds = from.Ds,
        Fs = from.Fs,
        Gs = from.Gs,
        Ldtr = from.Ldtr,
        Tr = from.Tr,
        Gdtr = from.Gdtr,
        Idtr = from.Idtr,
        Cr0 = from.Cr0,
        Cr2 = from.Cr2,
        Cr3 = from.Cr3,
        Cr4 = from.Cr4,
        Cr8 = from.Cr8,
        Efer = from.Efer,
        Xcr0 = from.Xcr0,
        Xsave = [.. from.Xsave],
        Dr = [.. from.Dr],
        Dr6 = from.Dr6,
        Dr7 = from.Dr7,
        Msrs = [.. from.Msrs],
        Tsc = from.Tsc,
        Activity = from.Activity,
        Events = from.Events,
        ApicBase = from.ApicBase,
        LocalApic = from.LocalApic?.ToArray(),
        TscDeadline = from.TscDeadline,
        Cpuid = cpuid.Entries.ToArray(),
    };

    /// <exception cref="StateException">It cannot be a vCPU's.</exception>
    public VcpuState ToState(string what)
    {
        VcpuState to = new();
        bool isPossible = Version == CurrentVersion && Gpr.Length == to.Gpr.Length && Xsave.Length == to.Xsave.Length && Dr.Length == to.Dr.Length
            && Msrs.Length <= MostMsrs && Cpuid.Length <= MostCpuidEntries && (LocalApic?.Length ?? LocalApicBytes) == LocalApicBytes && Enum.IsDefined(Activity);
        if (!isPossible) throw new StateException($"{what}: state version {Version} cannot be restored");
        Gpr.CopyTo(to.Gpr, 0);
        Xsave.CopyTo(to.Xsave, 0);
        Dr.CopyTo(to.Dr, 0);
        to.Msrs.AddRange(Msrs);
        (to.Rip, to.Rflags, to.Es, to.Cs, to.Ss, to.Ds, to.Fs, to.Gs) = (Rip, Rflags, Es, Cs, Ss, Ds, Fs, Gs);
        (to.Ldtr, to.Tr, to.Gdtr, to.Idtr) = (Ldtr, Tr, Gdtr, Idtr);
        (to.Cr0, to.Cr2, to.Cr3, to.Cr4, to.Cr8, to.Efer, to.Xcr0) = (Cr0, Cr2, Cr3, Cr4, Cr8, Efer, Xcr0);
        (to.Dr6, to.Dr7, to.Tsc, to.Activity, to.Events) = (Dr6, Dr7, Tsc, Activity, Events);
        (to.ApicBase, to.LocalApic, to.TscDeadline) = (ApicBase, LocalApic?.ToArray(), TscDeadline);
        return to;
    }
}
