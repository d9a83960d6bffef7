using System.Globalization;
using System.Text;

namespace Vmm.Core.Hypervisor;

/// <summary>
/// The complete architectural state of one vCPU at an instruction boundary: one type for KVM and the software CPU, so that what one
/// saved the other can restore. A new object holds the state after power-on (Intel SDM vol. 3 table 9-1).
/// </summary>
public sealed class VcpuState
{
    /// <summary>Bytes of the XSAVE area in standard format, as KVM_GET_XSAVE gives it.</summary>
    public const int XsaveBytes = 4096;

    /// <summary>RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.</summary>
    public ulong[] Gpr { get; } = new ulong[16];

    public ulong Rip { get; set; } = 0xfff0;
    public ulong Rflags { get; set; } = 2;

    public SegmentState Es { get; set; } = RealModeData;
    public SegmentState Cs { get; set; } = new(0xf000, 0xffff0000, 0xffff, RealModeCode);
    public SegmentState Ss { get; set; } = RealModeData;
    public SegmentState Ds { get; set; } = RealModeData;
    public SegmentState Fs { get; set; } = RealModeData;
    public SegmentState Gs { get; set; } = RealModeData;
    public SegmentState Ldtr { get; set; } = new(0, 0, 0xffff, SegmentAttributes.Present | (SegmentAttributes)2);
    public SegmentState Tr { get; set; } = new(0, 0, 0xffff, SegmentAttributes.Present | (SegmentAttributes)11);
    public DescriptorTableState Gdtr { get; set; } = new(0, 0xffff);
    public DescriptorTableState Idtr { get; set; } = new(0, 0xffff);

    public ulong Cr0 { get; set; } = 0x60000010;
    public ulong Cr2 { get; set; }
    public ulong Cr3 { get; set; }
    public ulong Cr4 { get; set; }

    /// <summary>Task priority class, 0 to 15.</summary>
    public byte Cr8 { get; set; }
    public ulong Efer { get; set; }
    public ulong Xcr0 { get; set; } = 1;

    /// <summary>x87, MMX, XMM and beyond: legacy FXSAVE area at 0, XSAVE header at 512, components at their standard offsets.</summary>
    public byte[] Xsave { get; } = InitialXsave();

    /// <summary>DR0 to DR3.</summary>
    public ulong[] Dr { get; } = new ulong[4];
    public ulong Dr6 { get; set; } = 0xffff0ff0;
    public ulong Dr7 { get; set; } = 0x400;

    /// <summary>Every other MSR with a value worth keeping (STAR, PAT, SYSENTER, kvmclock, …).</summary>
    public List<MsrValue> Msrs { get; } = [];

    /// <summary>The time stamp counter at capture.</summary>
    public ulong Tsc { get; set; }

    public VcpuActivity Activity { get; set; }

    public VcpuEvents Events;

    /// <summary>IA32_APIC_BASE; bit 8 is set on the boot processor.</summary>
    public ulong ApicBase { get; set; } = 0xfee00800;

    /// <summary>The local APIC's register page: 1 KiB, register n at 16·n. Null: leave the local APIC as it is.</summary>
    public byte[]? LocalApic { get; set; }

    /// <summary>IA32_TSC_DEADLINE; 0 when not armed.</summary>
    public ulong TscDeadline { get; set; }

    /// <summary>The value of an entry of <see cref="Msrs"/>, or null.</summary>
    public ulong? FindMsr(uint index)
    {
        foreach (MsrValue msr in Msrs)
        {
            if (msr.Index == index) return msr.Value;
        }

        return null;
    }

    /// <summary>Adds or replaces an entry of <see cref="Msrs"/>.</summary>
    public void SetMsr(uint index, ulong value)
    {
        int at = Msrs.FindIndex(m => m.Index == index);
        if (at >= 0) Msrs[at] = new MsrValue(index, value);
        else Msrs.Add(new MsrValue(index, value));
    }

    /// <summary>A register dump for people, several lines without a trailing newline.</summary>
    public string ToDump()
    {
        string[] names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
        StringBuilder text = new();
        for (int i = 0; i < 16; i++)
            text.Append(CultureInfo.InvariantCulture, $"{names[i],-3} {Gpr[i]:x16}{(i % 4 == 3 ? '\n' : ' ')}");
        text.Append(CultureInfo.InvariantCulture, $"rip {Rip:x16} rflags {Rflags:x} cr0 {Cr0:x} cr2 {Cr2:x} cr3 {Cr3:x} cr4 {Cr4:x} cr8 {Cr8:x} efer {Efer:x}\n");
        foreach ((string name, SegmentState s) in new[] { ("es", Es), ("cs", Cs), ("ss", Ss), ("ds", Ds), ("fs", Fs), ("gs", Gs), ("ldt", Ldtr), ("tr", Tr) })
            text.Append(CultureInfo.InvariantCulture, $"{name,-3} {s.Selector:x4} base {s.Base:x16} limit {s.Limit:x8} attributes {(uint)s.Attributes:x5}\n");
        text.Append(CultureInfo.InvariantCulture, $"gdt {Gdtr.Base:x16} limit {Gdtr.Limit:x4}  idt {Idtr.Base:x16} limit {Idtr.Limit:x4}  activity {Activity}");
        return text.ToString();
    }

    private static SegmentState RealModeData => new(0, 0, 0xffff, SegmentAttributes.Present | SegmentAttributes.S | (SegmentAttributes)3);

    private static SegmentAttributes RealModeCode => SegmentAttributes.Present | SegmentAttributes.S | (SegmentAttributes)11;

    private static byte[] InitialXsave()
    {
        byte[] area = new byte[XsaveBytes];
        area[0] = 0x7f; // FCW 0x037f as after FNINIT
        area[1] = 0x03;
        area[24] = 0x80; // MXCSR 0x1f80
        area[25] = 0x1f;
        area[512] = 3; // XSTATE_BV: x87 and SSE are in use
        return area;
    }
}
