using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Judgement;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>Runs cases on two targets and collects where they part.</summary>
internal sealed class OracleRun
{
    private readonly IOracleTarget _expected;
    private readonly IOracleTarget _actual;
    private readonly OracleCase _case = new();

    public OracleRun(IOracleTarget expected, IOracleTarget actual)
    {
        _expected = expected;
        _actual = actual;
    }

    public FailureReport Report { get; } = new();

    /// <summary>Cases run.</summary>
    public int Count { get; private set; }

    public OracleCase Case => _case;

    /// <summary>
    /// Runs the case in <see cref="Case"/> on both sides. A sequence that faults is no case: its flags may be in between, and single
    /// instructions show the faults better.
    /// </summary>
    public void RunCase()
    {
        _expected.Run(_case, out CaseOutcome expected);
        if (_case.InstructionCount > 1 && expected.Vector != CaseOutcome.NoFault) return;
        Count++;
        _actual.Run(_case, out CaseOutcome actual);
        Scrubber.Scrub(_case, ref expected, _expected.Data, ref actual, _actual.Data);
        if (OutcomeComparer.AreEqual(expected, _expected.Data, actual, _actual.Data)) return;
        Report.Add(_case, expected, _expected.Data, actual, _actual.Data);
    }
}
