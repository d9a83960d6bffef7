using Iced.Intel;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Native;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>The oracle's own tests: what it says of the host's CPU must be true before anything is compared with it.</summary>
[Collection(OracleCollection.Name)]
public sealed class NativeOracleTests
{
    private const ulong Hole = OracleLayout.Data + (OracleLayout.HolePage * OracleLayout.PageSize);
    private const ulong ReadOnly = OracleLayout.Data + (OracleLayout.ReadOnlyPage * OracleLayout.PageSize);
    private const int Rax = 0;
    private const int Rbx = 3;

    [Fact]
    public void Add_WithCarryOut_GivesSumAndFlags() => OnNative(native =>
    {
        OracleCase test = Case(64, "4801d8"); // add rax, rbx
        SetRegister(test, Rax, ulong.MaxValue);
        SetRegister(test, Rbx, 1);

        native.Run(test, out CaseOutcome outcome);

        Assert.Equal(CaseOutcome.NoFault, outcome.Vector);
        Assert.Equal(0ul, Register(outcome, Rax));
        Assert.Equal(test.Address + 3ul, outcome.State.Rip);
        Assert.Equal(RflagsBit.CF | RflagsBit.ZF | RflagsBit.AF | RflagsBit.PF, (RflagsBit)outcome.State.Rflags & RflagsBit.Status);
    });

    [Theory]
    [InlineData("488b03", Hole + 8, 14, 4u, Hole + 8)] // mov rax, [rbx]
    [InlineData("488903", Hole + 8, 14, 6u, Hole + 8)] // mov [rbx], rax
    [InlineData("488903", ReadOnly + 8, 14, 7u, ReadOnly + 8)]
    [InlineData("ffe3", (ulong)OracleLayout.Data, 14, 0x15u, (ulong)OracleLayout.Data)] // jmp rbx
    [InlineData("488b03", 0x8000_0000_0000_0000, 13, 0u, 0ul)]
    [InlineData("f7f3", 0ul, 0, 0u, 0ul)] // div ebx
    [InlineData("0f0b", 0ul, 6, 0u, 0ul)] // ud2
    [InlineData("f4", 0ul, 13, 0u, 0ul)] // hlt
    [InlineData("cd20", 0ul, 13, 0x102u, 0ul)] // int 20h
    public void Fault_OfEachKind_ReportsVectorErrorCodeAndAddress(string code, ulong rbx, int vector, uint errorCode, ulong address) => OnNative(native =>
    {
        OracleCase test = Case(64, code);
        SetRegister(test, Rbx, rbx);

        native.Run(test, out CaseOutcome outcome);

        Assert.Equal((vector, errorCode), (outcome.Vector, outcome.ErrorCode));
        if (vector == 14) Assert.Equal(address, outcome.FaultAddress);
        Assert.Equal(rbx, Register(outcome, Rbx));
    });

    [Fact]
    public void Branch_ToOtherCode_EndsThereWithoutFault() => OnNative(native =>
    {
        OracleCase test = Case(64, "ffe3"); // jmp rbx
        SetRegister(test, Rbx, OracleLayout.Code + 0x1234);

        native.Run(test, out CaseOutcome outcome);

        Assert.Equal(CaseOutcome.NoFault, outcome.Vector);
        Assert.Equal(OracleLayout.Code + 0x1234ul, outcome.State.Rip);
    });

    [Fact]
    public void Compatibility_Aaa_AdjustsAx() => OnNative(native =>
    {
        OracleCase test = Case(32, "37"); // aaa: no such instruction in 64-bit code
        SetRegister(test, Rax, 0x0f);

        native.Run(test, out CaseOutcome outcome);

        Assert.Equal(CaseOutcome.NoFault, outcome.Vector);
        Assert.Equal(0x105ul, Register(outcome, Rax));
    });

    [Fact]
    public void ManagedFaults_WhileTheHandlerIsInstalled_StayExceptions() => OnNative(native =>
    {
        string? nothing = Environment.GetEnvironmentVariable("VMM_NO_SUCH_VARIABLE");
        Assert.Throws<NullReferenceException>(() => nothing!.Length);
        native.Run(Case(64, "0f0b"), out CaseOutcome outcome);
        Assert.Equal(6, outcome.Vector);
    });

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void Generator_InManyCases_DrawsEveryInstruction(int bitness)
    {
        InstructionCatalog catalog = new(bitness);
        CaseBuilder builder = new(catalog, seed: 7, hasSegmentBases: true);
        OracleCase test = new();
        HashSet<Code> missing = [.. catalog.Templates.Select(t => t.Code)];

        for (int i = 0; i < 60_000 && missing.Count > 0; i++)
        {
            if (builder.TryBuild(i, test)) missing.Remove(test.Subject.Code);
        }

        Assert.Empty(missing);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void Cases_RunTwice_GiveTheSameOutcome(int bitness) => OracleThread.Run(() =>
    {
        using NativeExecutor executor = new();
        OracleRun oracle = new(new NativeTarget(executor), new NativeTarget(executor));
        CaseBuilder builder = new(new InstructionCatalog(bitness), seed: 3, executor.HasSegmentBases);

        for (int i = 0; i < 20_000; i++)
        {
            if (builder.TryBuild(i, oracle.Case)) oracle.RunCase();
        }

        Assert.True(oracle.Report.Total == 0, oracle.Report.ToString());
    });

    private static void OnNative(Action<NativeTarget> work) => OracleThread.Run(() =>
    {
        using NativeExecutor executor = new();
        work(new NativeTarget(executor));
    });

    private static OracleCase Case(int bitness, string code)
    {
        OracleCase test = new() { Bitness = bitness, Address = OracleLayout.Code + 0x800 };
        byte[] bytes = Convert.FromHexString(code);
        bytes.CopyTo(test.Bytes, 0);
        test.Length = bytes.Length;
        test.InstructionCount = 1;
        test.Input.Rip = test.Address;
        test.Input.Rflags = (ulong)(RflagsBit.Fixed1 | RflagsBit.IF);
        test.Input.Fcw = 0x37f;
        test.Input.Mxcsr = 0x1f80;
        return test;
    }

    private static unsafe void SetRegister(OracleCase test, int number, ulong value) => test.Input.Gpr[number] = value;

    private static unsafe ulong Register(CaseOutcome outcome, int number) => outcome.State.Gpr[number];
}
