using System.Globalization;
using System.Text;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle.Judgement;

/// <summary>Finds and describes what still differs between two scrubbed outcomes.</summary>
internal static unsafe class OutcomeComparer
{
    public static readonly string[] RegisterNames =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    private static readonly string[] SegmentNames = ["es", "cs", "ss", "ds", "fs", "gs"];

    public static bool AreEqual(in CaseOutcome expected, ReadOnlySpan<byte> expectedData, in CaseOutcome actual, ReadOnlySpan<byte> actualData)
    {
        fixed (MachineImage* a = &expected.State, b = &actual.State)
        {
            if (!new ReadOnlySpan<byte>(a, MachineImage.SizeBytes).SequenceEqual(new ReadOnlySpan<byte>(b, MachineImage.SizeBytes))) return false;
        }

        bool isSameEnd = expected.Vector == actual.Vector && expected.ErrorCode == actual.ErrorCode
            && (expected.Vector != PageFaultVector || expected.FaultAddress == actual.FaultAddress);
        return isSameEnd && expectedData.SequenceEqual(actualData);
    }

    /// <summary>One line for each difference: what the host has, what the software CPU has.</summary>
    public static string Describe(OracleCase test, in CaseOutcome expected, ReadOnlySpan<byte> expectedData, in CaseOutcome actual, ReadOnlySpan<byte> actualData)
    {
        StringBuilder text = new();
        if (expected.Vector != actual.Vector || expected.ErrorCode != actual.ErrorCode || expected.FaultAddress != actual.FaultAddress)
            Line(text, "end", EndOf(expected), EndOf(actual));
        Line(text, "rip", expected.State.Rip, actual.State.Rip);
        if (expected.State.Rflags != actual.State.Rflags)
            Line(text, "flags", FlagsText(expected.State.Rflags), FlagsText(actual.State.Rflags) + $" (was {FlagsText(test.Input.Rflags)})");
        for (int i = 0; i < 16; i++) Line(text, RegisterNames[i], expected.State.Gpr[i], actual.State.Gpr[i]);
        for (int i = 0; i < 6; i++) Line(text, SegmentNames[i], expected.State.Selectors[i], actual.State.Selectors[i]);
        MachineImage want = expected.State, got = actual.State;
        Line(text, "fcw", want.Fcw, got.Fcw);
        Line(text, "fsw", want.Fsw, got.Fsw);
        Line(text, "ftw", want.Ftw, got.Ftw);
        Line(text, "mxcsr", want.Mxcsr, got.Mxcsr);
        for (int i = 0; i < 8; i++) LineBytes(text, $"st{i}", want.Fx + MachineImage.FxSt + (16 * i), got.Fx + MachineImage.FxSt + (16 * i), 10);
        for (int i = 0; i < 16; i++) LineBytes(text, $"xmm{i}", want.Fx + MachineImage.FxXmm + (16 * i), got.Fx + MachineImage.FxXmm + (16 * i), 16);
        int first = expectedData.CommonPrefixLength(actualData);
        if (first < expectedData.Length)
        {
            int count = Math.Min(16, expectedData.Length - first);
            Line(text, $"[{OracleLayout.Data + first:x}]", Hex(expectedData.Slice(first, count)), Hex(actualData.Slice(first, count)));
        }

        return text.ToString();
    }

    public static string FlagsText(ulong flags)
    {
        StringBuilder text = new();
        foreach (RflagsBit bit in (ReadOnlySpan<RflagsBit>)[RflagsBit.OF, RflagsBit.SF, RflagsBit.ZF, RflagsBit.AF, RflagsBit.PF, RflagsBit.CF])
        {
            string name = bit.ToString();
            text.Append((flags & (ulong)bit) != 0 ? name[0] : '-');
        }

        ulong others = flags & ~(ulong)(RflagsBit.Status | RflagsBit.Fixed1 | RflagsBit.IF);
        if (others != 0) text.Append(CultureInfo.InvariantCulture, $"+{others:x}");
        return text.ToString();
    }

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private const int PageFaultVector = 14;

    private static string EndOf(in CaseOutcome outcome) => outcome.Vector switch
    {
        CaseOutcome.NoFault => "ran",
        PageFaultVector => $"#PF({outcome.ErrorCode:x}) at {outcome.FaultAddress:x}",
        _ => $"vector {outcome.Vector}({outcome.ErrorCode:x})",
    };

    private static void Line(StringBuilder text, string name, ulong expected, ulong actual)
    {
        if (expected != actual) Line(text, name, expected.ToString("x", CultureInfo.InvariantCulture), actual.ToString("x", CultureInfo.InvariantCulture));
    }

    private static void Line(StringBuilder text, string name, string expected, string actual)
        => text.Append(CultureInfo.InvariantCulture, $"      {name}: host {expected}, software {actual}\n");

    private static void LineBytes(StringBuilder text, string name, byte* expected, byte* actual, int count)
    {
        ReadOnlySpan<byte> a = new(expected, count), b = new(actual, count);
        if (!a.SequenceEqual(b)) Line(text, name, Hex(a), Hex(b));
    }
}
