using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>Emits the code that carries a case: the entries, the exit and the signal handler.</summary>
internal sealed class StubAssembler
{
    private static readonly AssemblerRegister64[] Registers =
        [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];

    private static readonly AssemblerRegisterSegment[] Segments = [es, cs, ss, ds, fs, gs];

    private readonly bool _hasSegmentBases;

    public StubAssembler(bool hasSegmentBases) => _hasSegmentBases = hasSegmentBases;

    /// <summary>Offset of the exit in the emitted code; the others follow as they were emitted.</summary>
    public int Exit { get; private set; }
    public int Enter64 { get; private set; }
    public int EnterCompatibility { get; private set; }
    public int Handler { get; private set; }

    public byte[] Emit(uint at)
    {
        Assembler code = new(64);
        Label exit = code.CreateLabel();
        Label enter64 = code.CreateLabel();
        Label enterCompatibility = code.CreateLabel();
        Label handler = code.CreateLabel();

        code.Label(ref exit);
        EmitExit(code);
        code.Label(ref enter64);
        EmitEnter(code, compatibility: false);
        code.Label(ref enterCompatibility);
        EmitEnter(code, compatibility: true);
        code.Label(ref handler);
        EmitHandler(code, at);

        using MemoryStream stream = new();
        AssemblerResult result = code.Assemble(new StreamCodeWriter(stream), at, BlockEncoderOptions.ReturnNewInstructionOffsets);
        Exit = (int)(result.GetLabelRIP(exit) - at);
        Enter64 = (int)(result.GetLabelRIP(enter64) - at);
        EnterCompatibility = (int)(result.GetLabelRIP(enterCompatibility) - at);
        Handler = (int)(result.GetLabelRIP(handler) - at);
        return stream.ToArray();
    }

    private void EmitEnter(Assembler code, bool compatibility)
    {
        foreach (AssemblerRegister64 saved in (ReadOnlySpan<AssemblerRegister64>)[rbx, rbp, r12, r13, r14, r15]) code.push(saved);
        code.mov(__qword_ptr[StubLayout.HostRsp], rsp);
        code.stmxcsr(__dword_ptr[StubLayout.HostMxcsr]);
        code.fnstcw(__word_ptr[StubLayout.HostFcw]);
        if (_hasSegmentBases)
        {
            code.rdfsbase(rax);
            code.mov(__qword_ptr[StubLayout.HostFsBase], rax);
            code.rdgsbase(rax);
            code.mov(__qword_ptr[StubLayout.HostGsBase], rax);
        }

        if (compatibility)
        {
            code.mov(eax, __dword_ptr[StubLayout.DataSelector]);
            code.mov(ds, eax);
            code.mov(es, eax);
            code.mov(eax, __dword_ptr[StubLayout.StackSelector]);
            code.mov(ss, eax);
        }
        else if (_hasSegmentBases)
        {
            code.mov(eax, OracleLayout.FsBase);
            code.wrfsbase(rax);
            code.mov(eax, OracleLayout.GsBase);
            code.wrgsbase(rax);
        }

        code.fxrstor64(__[StubLayout.Input + MachineImage.FxOffset]);
        code.mov(__dword_ptr[StubLayout.Faulted], 0);
        code.mov(__dword_ptr[StubLayout.Active], 1);
        code.mov(esp, StubLayout.Input + MachineImage.RflagsOffset);
        code.popfq();
        for (int i = 0; i < Registers.Length; i++)
            code.mov(Registers[i], __qword_ptr[StubLayout.Input + MachineImage.GprOffset + (8 * i)]);
        if (compatibility) code.jmp(__fword_ptr[StubLayout.FarTarget]);
        else code.jmp(__qword_ptr[StubLayout.Input + MachineImage.RipOffset]);
    }

    private void EmitExit(Assembler code)
    {
        for (int i = 0; i < Registers.Length; i++)
            code.mov(__qword_ptr[StubLayout.Output + MachineImage.GprOffset + (8 * i)], Registers[i]);
        code.mov(esp, StubLayout.Output + MachineImage.RflagsOffset + 8);
        code.pushfq();
        code.mov(rsp, __qword_ptr[StubLayout.HostRsp]);
        code.push(0x202); // the host's flags: no DF, no AC, no NT
        code.popfq();
        for (int i = 0; i < Segments.Length; i++)
            code.mov(__word_ptr[StubLayout.Output + MachineImage.SelectorsOffset + (2 * i)], Segments[i]);
        code.fxsave64(__[StubLayout.Output + MachineImage.FxOffset]);
        code.fninit();
        code.fldcw(__word_ptr[StubLayout.HostFcw]);
        code.ldmxcsr(__dword_ptr[StubLayout.HostMxcsr]);
        code.mov(eax, OracleLayout.UserData);
        code.mov(ss, eax);
        code.xor(eax, eax);
        code.mov(ds, eax);
        code.mov(es, eax);
        if (_hasSegmentBases)
        {
            code.mov(fs, eax);
            code.mov(gs, eax);
            code.mov(rax, __qword_ptr[StubLayout.HostFsBase]);
            code.wrfsbase(rax);
            code.mov(rax, __qword_ptr[StubLayout.HostGsBase]);
            code.wrgsbase(rax);
        }

        code.mov(__dword_ptr[StubLayout.Active], 0);
        foreach (AssemblerRegister64 saved in (ReadOnlySpan<AssemblerRegister64>)[r15, r14, r13, r12, rbp, rbx]) code.pop(saved);
        code.ret();
    }

    // void handler(int signal, siginfo_t*, ucontext_t*): on our own signal stack with a case active, the fault belongs to the case.
    private void EmitHandler(Assembler code, uint at)
    {
        Label chain = code.CreateLabel();
        code.cmp(rsp, (int)OracleLayout.SignalStack);
        code.jb(chain);
        code.cmp(rsp, (int)(OracleLayout.SignalStack + OracleLayout.SignalStackSize));
        code.jae(chain);
        code.cmp(__dword_ptr[StubLayout.Active], 0);
        code.je(chain);
        foreach ((int from, uint to) in ((int, uint)[])
                 [
                     (UserContext.REG_TRAPNO, StubLayout.FaultVector), (UserContext.REG_ERR, StubLayout.FaultError),
                     (UserContext.REG_CR2, StubLayout.FaultAddress), (UserContext.REG_RIP, StubLayout.FaultRip),
                     (UserContext.REG_CSGSFS, StubLayout.FaultSelectors),
                 ])
        {
            code.mov(rax, __qword_ptr[rdx + from]);
            code.mov(__qword_ptr[to], rax);
        }

        code.mov(__dword_ptr[StubLayout.Faulted], 1);
        code.mov(eax, at + (uint)Exit); // the exit was emitted first
        code.mov(__qword_ptr[rdx + UserContext.REG_RIP], rax);
        code.mov(__word_ptr[rdx + UserContext.REG_CSGSFS], OracleLayout.UserCode64);
        code.mov(__word_ptr[rdx + UserContext.REG_CSGSFS + 6], OracleLayout.UserData);
        code.ret();
        code.Label(ref chain);
        code.mov(eax, edi);
        code.jmp(__qword_ptr[(rax * 8) + (int)StubLayout.OldHandlers]);
    }
}
