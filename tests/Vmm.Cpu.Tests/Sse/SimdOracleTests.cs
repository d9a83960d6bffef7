using System.Text.RegularExpressions;
using Iced.Intel;
using Vmm.Cpu.Execute.Simd;
using Vmm.Cpu.Tests.Oracle;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Native;
using Vmm.Cpu.Tests.Oracle.Software;
using Xunit.Abstractions;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>The SSE and MMX families as a whole: nothing left out, and a dense run against the host.</summary>
[Collection(OracleCollection.Name)]
public sealed class SimdOracleTests(ITestOutputHelper output)
{
    private const int Cases = 60_000;

    private static readonly CpuidFeature[] Families =
    [
        CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3, CpuidFeature.SSSE3, CpuidFeature.SSE4_1, CpuidFeature.SSE4_2,
        CpuidFeature.AES, CpuidFeature.PCLMULQDQ,
    ];

    private static readonly Regex Filter = new($"^({string.Join('|', Families)}) ");

    [Fact]
    public void Tables_OfBothFamilies_HoldEveryInstruction()
    {
        Mnemonic[] elsewhere =
        [
            Mnemonic.Prefetchnta, Mnemonic.Prefetcht0, Mnemonic.Prefetcht1, Mnemonic.Prefetcht2, Mnemonic.Lfence, Mnemonic.Mfence, Mnemonic.Sfence, Mnemonic.Crc32,
            Mnemonic.Fisttp,
        ];
        IEnumerable<Code> expected = Enum.GetValues<Code>().Where(c => c.Encoding() == EncodingKind.Legacy && c.CpuidFeatures().Intersect(Families).Any()
            && !elsewhere.Contains(c.Mnemonic()));

        Assert.Equal(expected.Order(), SseTable.Instance.Codes.Concat(MmxTable.Instance.Codes).Order());
    }

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void EveryInstruction_OnRandomOperands_DoesAsTheHost(int bitness) => OracleThread.Run(() =>
    {
        using NativeExecutor executor = new();
        using SoftwareTarget software = new();
        OracleRun oracle = new(new NativeTarget(executor), software);
        CaseBuilder builder = new(new InstructionCatalog(bitness, Filter), OracleSettings.Fresh, executor.HasSegmentBases);
        output.WriteLine($"seed {OracleSettings.Fresh}");
        for (long i = 0; oracle.Count < Cases; i++)
        {
            if (builder.TryBuild(i, oracle.Case)) oracle.RunCase();
        }

        Assert.True(oracle.Report.Total == 0, $"{OracleSettings.Variable}={OracleSettings.Fresh}: {oracle.Report}");
    });
}
