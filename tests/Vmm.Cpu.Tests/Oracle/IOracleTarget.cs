using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>Something that can carry out a case: the host's CPU or the software one.</summary>
internal interface IOracleTarget
{
    /// <summary>The data pages as the last case left them.</summary>
    Span<byte> Data { get; }

    /// <summary>Runs the case from its start to its first fault, which may be the HLT behind or around its code.</summary>
    void Run(OracleCase test, out CaseOutcome outcome);
}
