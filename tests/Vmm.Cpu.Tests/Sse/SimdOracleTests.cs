using Iced.Intel;
using Vmm.Cpu.Execute.Simd;
using Vmm.Cpu.Tests.Oracle;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Native;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>Random encodings of every SSE and MMX instruction against the host's own execution.</summary>
[Collection(OracleCollection.Name)]
public sealed class SimdOracleTests
{
    private const int DefaultCases = 60_000;
    private const ulong KernelHalf = 0xffff_8000_0000_0000;

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void EveryInstruction_OnRandomOperands_EqualsHost(int bitness)
    {
        int cases = int.TryParse(Environment.GetEnvironmentVariable("VMM_SIMD_CASES"), out int asked) ? asked : DefaultCases;
        ulong seed = ulong.TryParse(Environment.GetEnvironmentVariable("VMM_SIMD_SEED"), out ulong given) ? given : 0x51d;
        string failures = "";
        int run = 0;
        OracleThread.Run(() =>
        {
            using NativeExecutor executor = new();
            using SimdTarget software = new();
            OracleRun oracle = new(new NativeTarget(executor), software);
            InstructionCatalog catalog = new(bitness);
            CaseBuilder builder = new(catalog, seed, executor.HasSegmentBases);
            HashSet<Code> ours = [.. SseTable.Instance.Codes, .. MmxTable.Instance.Codes];
            for (long i = 0; run < cases; i++)
            {
                Rng rng = Rng.ForCase(seed, i);
                if (!ours.Contains(catalog.Templates[rng.Below(catalog.Templates.Count)].Code) || !builder.TryBuild(i, oracle.Case) || !ours.Contains(oracle.Case.Subject.Code)) continue;
                // The host's kernel half has pages behind its addresses, the guest has not.
                if (oracle.Case.OperandAddress >= KernelHalf) continue;
                oracle.Case.Input.Rflags &= ~(ulong)RflagsBit.AC;
                run++;
                oracle.RunCase();
            }

            if (oracle.Report.Total != 0) failures = oracle.Report.ToString();
        });

        Assert.True(failures.Length == 0, failures);
        Assert.Equal(cases, run);
    }
}
