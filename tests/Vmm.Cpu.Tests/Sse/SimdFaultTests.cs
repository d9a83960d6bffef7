using System.Runtime.Intrinsics;
using Vmm.Cpu.State;
using Vmm.Cpu.Tests.Oracle;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>When SSE and MMX instructions may not run, and what they leave behind when they fault.</summary>
public sealed unsafe class SimdFaultTests
{
    private const ulong Operand = OracleLayout.Data + 0x100;
    private const uint One = 0x3f800000, SignalingNan = 0x7f800001, Denormal = 1;
    private const string Addps = "0f58c1", Movaps = "0f2803", Movups = "0f1003", PaddbMm = "0ffcc1", Cvtpi2ps = "0f2ac1", Movnti = "0fc303", Ldmxcsr = "0fae13";

    [Theory]
    [InlineData(Addps, Cr0.EM, 0, Vector.UD)]
    [InlineData(Addps, Cr0.TS, 0, Vector.NM)]
    [InlineData(Addps, 0, Cr4.OSFXSR, Vector.UD)]
    [InlineData(Addps, Cr0.TS, Cr4.OSFXSR, Vector.UD)]
    [InlineData(Addps, 0, 0, CaseOutcome.NoFault)]
    [InlineData(PaddbMm, Cr0.EM, 0, Vector.UD)]
    [InlineData(PaddbMm, Cr0.TS, 0, Vector.NM)]
    [InlineData(PaddbMm, 0, Cr4.OSFXSR, CaseOutcome.NoFault)]
    [InlineData(Cvtpi2ps, 0, Cr4.OSFXSR, Vector.UD)]
    [InlineData(Cvtpi2ps, Cr0.TS, 0, Vector.NM)]
    [InlineData(Movnti, Cr0.TS | Cr0.EM, Cr4.OSFXSR, CaseOutcome.NoFault)]
    public void Instruction_WhileItsUnitIsClosed_Faults(string code, ulong cr0Set, ulong cr4Cleared, int vector)
    {
        using SimdTarget target = new();
        target.Cpu.S->Cr0 |= cr0Set;
        target.Cpu.S->Cr4 &= ~cr4Cleared;

        Assert.Equal(vector, target.Run(Case(code)).Vector);
    }

    [Theory]
    [InlineData("f20fd0c1", "-sse3,-ssse3,-sse4.1,-sse4.2")] // addsubps
    [InlineData("660f3800c1", "-ssse3,-sse4.1,-sse4.2")] // pshufb
    [InlineData("0f3800c1", "-ssse3,-sse4.1,-sse4.2")] // pshufb mm
    [InlineData("660f3817c1", "-sse4.1,-sse4.2")] // ptest
    [InlineData("660f3837c1", "-sse4.2")] // pcmpgtq
    [InlineData("660f38dcc1", "-aes")] // aesenc
    [InlineData("660f3a44c100", "-pclmulqdq")]
    public void Instruction_WithoutItsFeature_IsUndefined(string code, string removed)
    {
        using SimdTarget has = new(), lacks = new("x86-64-v2," + removed);

        Assert.Equal(CaseOutcome.NoFault, has.Run(Case(code)).Vector);
        Assert.Equal(Vector.UD, lacks.Run(Case(code)).Vector);
    }

    [Theory]
    [InlineData(Movaps, 0, CaseOutcome.NoFault)]
    [InlineData(Movaps, 8, Vector.GP)]
    [InlineData(Movups, 1, CaseOutcome.NoFault)]
    [InlineData("0f5803", 4, Vector.GP)] // addps
    [InlineData("660fef03", 1, Vector.GP)] // pxor
    [InlineData("660f3a630300", 1, CaseOutcome.NoFault)] // pcmpistri
    [InlineData("f20ff003", 1, CaseOutcome.NoFault)] // lddqu
    [InlineData("0f2b03", 8, Vector.GP)] // movntps
    [InlineData("0ffc03", 1, CaseOutcome.NoFault)] // paddb mm
    public void MemoryOperand_OffItsAlignment_FaultsWhereItMust(string code, uint offset, int vector)
    {
        using SimdTarget target = new();
        OracleCase test = Case(code);
        test.Input.Gpr[Reg.Rbx] += offset;

        Assert.Equal(vector, target.Run(test).Vector);
    }

    [Theory]
    [InlineData(SignalingNan, Mxcsr.IM, Mxcsr.IE)]
    [InlineData(Denormal, Mxcsr.DM, Mxcsr.DE)]
    [InlineData(One + 1, Mxcsr.PM, Mxcsr.PE)]
    public void UnmaskedException_Arises_SetsItsFlagAndKeepsTheDestination(uint operand, uint unmasked, uint flag)
    {
        using SimdTarget target = new();
        OracleCase test = Case("f30f59c1"); // mulss xmm0, xmm1
        SetLane(test, 0, One + 3);
        SetLane(test, 1, operand);
        test.Input.Mxcsr = Mxcsr.Default & ~unmasked;

        CaseOutcome outcome = target.Run(test);

        Assert.Equal(Vector.XM, outcome.Vector);
        Assert.Equal((Mxcsr.Default & ~unmasked) | flag, outcome.State.Mxcsr);
        Assert.Equal(One + 3, *(uint*)(outcome.State.Fx + MachineImage.FxXmm));
        Assert.Equal((ulong)test.Address, outcome.State.Rip);
    }

    [Fact]
    public void UnmaskedException_WithoutOsxmmexcpt_IsUndefined()
    {
        using SimdTarget target = new();
        target.Cpu.S->Cr4 &= ~Cr4.OSXMMEXCPT;
        OracleCase test = Case("f30f5ec1"); // divss xmm0, xmm1
        SetLane(test, 0, One);
        test.Input.Mxcsr = Mxcsr.Default & ~Mxcsr.ZM;

        CaseOutcome outcome = target.Run(test);

        Assert.Equal(Vector.UD, outcome.Vector);
        Assert.Equal(Mxcsr.ZE, outcome.State.Mxcsr & Mxcsr.Flags);
    }

    [Theory]
    [InlineData(0xffffu, CaseOutcome.NoFault)]
    [InlineData(0x10000u, Vector.GP)]
    public void Ldmxcsr_WithReservedBits_Faults(uint value, int vector)
    {
        using SimdTarget target = new();
        OracleCase test = Case(Ldmxcsr);
        BitConverter.TryWriteBytes(test.Data.AsSpan((int)(Operand - OracleLayout.Data)), value);

        CaseOutcome outcome = target.Run(test);

        Assert.Equal(vector, outcome.Vector);
        Assert.Equal(vector == CaseOutcome.NoFault ? value : Mxcsr.Default, outcome.State.Mxcsr);
    }

    [Fact]
    public void Mmx_WithPendingX87Exception_FaultsBeforeTheMemoryOperand()
    {
        using SimdTarget target = new();
        OracleCase test = Case("0ffc03"); // paddb mm0, [rbx]
        test.Input.Gpr[Reg.Rbx] = OracleLayout.Data + (OracleLayout.HolePage * OracleLayout.PageSize);
        test.Input.Fcw = 0x37e;
        test.Input.Fsw = 1;

        Assert.Equal(Vector.MF, target.Run(test).Vector);
    }

    [Fact]
    public void State_OfACpu_HasItsVectorsAligned()
    {
        using SimdTarget target = new();

        Assert.Equal(0ul, (ulong)CpuState.Xmm(target.Cpu.S) % (uint)sizeof(Vector128<byte>));
    }

    private static OracleCase Case(string code)
    {
        OracleCase test = new() { Address = OracleLayout.Code + 0x800 };
        byte[] bytes = Convert.FromHexString(code);
        bytes.CopyTo(test.Bytes, 0);
        test.Length = bytes.Length;
        test.Input.Rip = test.Address;
        test.Input.Rflags = Rflags.Fixed | Rflags.IF;
        test.Input.Mxcsr = Mxcsr.Default;
        test.Input.Fcw = 0x37f;
        test.Input.Gpr[Reg.Rbx] = Operand;
        return test;
    }

    private static void SetLane(OracleCase test, int register, uint value)
    {
        fixed (byte* fx = test.Input.Fx) *(uint*)(fx + MachineImage.FxXmm + (16 * register)) = value;
    }
}
