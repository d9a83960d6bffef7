using System.Text.RegularExpressions;
using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>
/// Which instructions the oracle may run: all that a program at CPL 3 can execute on the CPU model x86-64-v2 and whose outcome is
/// the same each time. Privileged ones are here too, since their fault is an outcome.
/// </summary>
internal sealed class InstructionCatalog
{
    private static readonly HashSet<CpuidFeature> Features =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
        CpuidFeature.X64, CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387, CpuidFeature.CMOV, CpuidFeature.CX8,
        CpuidFeature.CMPXCHG16B, CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3, CpuidFeature.SSSE3,
        CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.FXSR, CpuidFeature.POPCNT, CpuidFeature.AES, CpuidFeature.PCLMULQDQ,
        CpuidFeature.CLFSH, CpuidFeature.PAUSE, CpuidFeature.MULTIBYTENOP, CpuidFeature.MSR, CpuidFeature.MOVBE,
    ];

    private readonly HashSet<Code> _allowed = [];
    private readonly List<InstructionTemplate> _templates = [];

    /// <param name="bitness">64, 32 or 16.</param>
    /// <param name="filter">Keeps only what this matches in "FEATURE Code", as Iced names them (while working on a family); null for all.</param>
    public InstructionCatalog(int bitness, Regex? filter = null)
    {
        Bitness = bitness;
        foreach (Code code in Enum.GetValues<Code>())
        {
            if (!IsAllowed(code, bitness)) continue;
            _allowed.Add(code);
            if (filter is not null && !filter.IsMatch($"{string.Join('+', code.CpuidFeatures())} {code}")) continue;
            _templates.Add(new InstructionTemplate(code, bitness));
        }
    }

    public int Bitness { get; }

    public IReadOnlyList<InstructionTemplate> Templates => _templates;

    /// <summary>True when this decoded instruction may run: its bytes may have come out as another one than was meant.</summary>
    public bool Allows(in Instruction instruction)
    {
        if (!_allowed.Contains(instruction.Code)) return false;
        // Interrupt 0x80 is a system call.
        if (instruction.Code == Code.Int_imm8) return instruction.Immediate8 != 0x80;
        bool repeats = instruction.HasRepPrefix || instruction.HasRepnePrefix;
        // AMD lets the prefix decide which value of ZF ends the loop.
        if (repeats && instruction.Mnemonic is (Mnemonic.Loope or Mnemonic.Loopne)) return false;
        // With a count of zero, vendors differ in whether the I/O permission is looked at.
        if (repeats && instruction.Mnemonic is Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd)
            return false;
        return true;
    }

    private static bool IsAllowed(Code code, int bitness)
    {
        OpCodeInfo info = code.ToOpCode();
        if (!info.IsInstruction || info.Encoding != EncodingKind.Legacy) return false;
        if (!(bitness == 64 ? info.Mode64 : bitness == 32 ? info.Mode32 : info.Mode16)) return false;
        if (!(bitness == 64 ? info.IntelDecoder64 && info.AmdDecoder64 : bitness == 32 ? info.IntelDecoder32 && info.AmdDecoder32 : info.IntelDecoder16 && info.AmdDecoder16))
            return false;
        foreach (CpuidFeature feature in code.CpuidFeatures())
        {
            if (!Features.Contains(feature)) return false;
        }

        // A near branch with a 16-bit operand in 64-bit code: the vendors differ.
        if (bitness == 64 && info.OperandSize == 16 && code.FlowControl() != FlowControl.Next) return false;
        // FWAIT and what follows it are two instructions to the processor.
        return !info.Fwait && !IsExcluded(code, info);
    }

    private static bool IsExcluded(Code code, OpCodeInfo info) => info.Mnemonic switch
    {
        // UMIP's set, which Linux emulates or not.
        Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw => true,
        // Far transfers need descriptors on both sides.
        Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Iretq or Mnemonic.Retf => true,
        // Whether RIP points behind it depends on who delivers it: some hypervisors do it themselves.
        Mnemonic.Int1 => true,
        // Only its register form, which AMD has not; with memory it is PREFETCHW.
        Mnemonic.Reservednop => code is Code.Reservednop_rm16_r16_0F0D or Code.Reservednop_rm32_r32_0F0D or Code.Reservednop_rm64_r64_0F0D,
        // #UD at CPL 3, or whatever the hypervisor makes of them.
        Mnemonic.Loadall or Mnemonic.Rsm or Mnemonic.Umov => true,
        // AMD loads four bytes for the 16-bit form, Intel two.
        Mnemonic.Movsxd => code == Code.Movsxd_r16_rm16,
        // Not in the manuals, or not on every CPU.
        Mnemonic.Fstpnce => true,
        Mnemonic.Fstdw or Mnemonic.Fnstdw or Mnemonic.Fstsg or Mnemonic.Fnstsg or Mnemonic.Frstpm or Mnemonic.Fsetpm or Mnemonic.Fnsetpm => true,
        // Older CPUs leave the destination of the 16-bit form undefined.
        Mnemonic.Bswap => code == Code.Bswap_r16,
        Mnemonic.Call or Mnemonic.Jmp => code is Code.Call_m1616 or Code.Call_m1632 or Code.Call_m1664 or Code.Jmp_m1616 or Code.Jmp_m1632
            or Code.Jmp_m1664 or Code.Call_ptr1616 or Code.Call_ptr1632 or Code.Jmp_ptr1616 or Code.Jmp_ptr1632,
        _ => false,
    };
}
