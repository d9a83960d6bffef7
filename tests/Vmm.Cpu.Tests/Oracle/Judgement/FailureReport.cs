using System.Globalization;
using System.Text;
using Iced.Intel;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle.Judgement;

/// <summary>Collects mismatches by instruction, so that one error in the CPU is one entry.</summary>
internal sealed unsafe class FailureReport
{
    private const int MaxEntries = 20;

    private readonly Dictionary<Code, (int Count, string First)> _entries = [];

    public int Total { get; private set; }

    public void Add(OracleCase test, in CaseOutcome expected, ReadOnlySpan<byte> expectedData, in CaseOutcome actual, ReadOnlySpan<byte> actualData)
    {
        Total++;
        Code code = test.Subject.Code;
        if (_entries.TryGetValue(code, out (int Count, string First) entry))
        {
            _entries[code] = (entry.Count + 1, entry.First);
            return;
        }

        string text = Describe(test) + OutcomeComparer.Describe(test, expected, expectedData, actual, actualData);
        _entries[code] = (1, text);
    }

    public override string ToString()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{Total} mismatches in {_entries.Count} instructions\n");
        foreach ((Code code, (int count, string first)) in _entries.OrderByDescending(e => e.Value.Count).Take(MaxEntries))
            text.Append(CultureInfo.InvariantCulture, $"  {code}: {count}\n{first}");
        return text.ToString();
    }

    /// <summary>The names and counts of all that failed, in one line.</summary>
    public string Summary => string.Join(' ', _entries.OrderByDescending(e => e.Value.Count).Select(e => $"{e.Key}:{e.Value.Count}"));

    private static string Describe(OracleCase test)
    {
        StringBuilder text = new();
        NasmFormatter formatter = new();
        text.Append(CultureInfo.InvariantCulture, $"    case {test.Index} of seed {test.Seed}, {test.Bitness}-bit, {OutcomeComparer.Hex(test.Code)} at {test.Address:x}");
        for (int i = 0; i < test.InstructionCount; i++)
        {
            StringOutput output = new();
            formatter.Format(test.Instructions[i], output);
            text.Append(i == 0 ? ": " : "; ").Append(output);
        }

        text.Append('\n');
        AppendInputs(text, test);
        return text.ToString();
    }

    private static void AppendInputs(StringBuilder text, OracleCase test)
    {
        InstructionInfoFactory infos = new();
        SortedSet<int> general = [];
        SortedSet<int> vectors = [];
        bool isX87 = false, isSse = false;
        for (int i = 0; i < test.InstructionCount; i++)
        {
            ref readonly Instruction instruction = ref test.Instructions[i];
            isX87 |= X87Rules.IsX87(instruction);
            foreach (UsedRegister used in infos.GetInfo(instruction).GetUsedRegisters())
            {
                if (used.Register.IsGPR()) general.Add(RegisterState.Number(used.Register));
                if (used.Register.IsXMM()) vectors.Add(used.Register - Register.XMM0);
            }
        }

        text.Append(CultureInfo.InvariantCulture, $"      in: flags={OutcomeComparer.FlagsText(test.Input.Rflags)}");
        foreach (int number in general) text.Append(CultureInfo.InvariantCulture, $" {OutcomeComparer.RegisterNames[number]}={test.Input.Gpr[number]:x}");
        fixed (byte* fx = test.Input.Fx)
        {
            foreach (int number in vectors)
            {
                isSse = true;
                text.Append(CultureInfo.InvariantCulture, $" xmm{number}={OutcomeComparer.Hex(new ReadOnlySpan<byte>(fx + MachineImage.FxXmm + (16 * number), 16))}");
            }

            if (isX87)
            {
                text.Append(CultureInfo.InvariantCulture, $" fcw={test.Input.Fcw:x} fsw={test.Input.Fsw:x} ftw={test.Input.Ftw:x}");
                for (int st = 0; st < 8; st++)
                    text.Append(CultureInfo.InvariantCulture, $" st{st}={OutcomeComparer.Hex(new ReadOnlySpan<byte>(fx + MachineImage.FxSt + (16 * st), 10))}");
            }
        }

        if (isSse) text.Append(CultureInfo.InvariantCulture, $" mxcsr={test.Input.Mxcsr:x}");
        ulong at = test.OperandAddress - OracleLayout.Data;
        if (test.OperandAddress != 0 && at <= OracleLayout.DataSize - 16)
            text.Append(CultureInfo.InvariantCulture, $" [{test.OperandAddress:x}]={OutcomeComparer.Hex(test.Data.AsSpan((int)at, 16))}");
        text.Append('\n');
    }
}
