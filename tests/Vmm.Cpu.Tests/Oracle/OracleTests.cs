using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Native;
using Vmm.Cpu.Tests.Oracle.Software;
using Xunit.Abstractions;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>The software CPU against the host's, instruction by instruction and in short sequences. A failure names the seed to run it again with.</summary>
[Collection(OracleCollection.Name)]
public sealed class OracleTests(ITestOutputHelper output)
{
    private const int SingleCases = 130_000;
    private const int SequenceCases = 40_000;
    private const int CompatibilityCases = 40_000;

    [Fact]
    public void Instructions_In64BitCode_WithTheFixedSeed_DoAsTheHost() => Singles(64, OracleSettings.Fixed, SingleCases, oneByOne: false);

    [Fact]
    public void Instructions_In64BitCode_WithAFreshSeed_DoAsTheHost() => Singles(64, OracleSettings.Fresh, SingleCases, oneByOne: false);

    [Fact]
    public void Instructions_In64BitCode_OneByOne_DoAsTheHost() => Singles(64, OracleSettings.Fresh + 1, SingleCases / 4, oneByOne: true);

    [Fact]
    public void Instructions_In32BitCode_WithTheFixedSeed_DoAsTheHost() => Singles(32, OracleSettings.Fixed, CompatibilityCases, oneByOne: false);

    [Fact]
    public void Instructions_In32BitCode_WithAFreshSeed_DoAsTheHost() => Singles(32, OracleSettings.Fresh, CompatibilityCases, oneByOne: false);

    [Fact]
    public void Instructions_In16BitCode_WithAFreshSeed_DoAsTheHost()
    {
        if (LocalDescriptors.TryInstall()) Singles(16, OracleSettings.Fresh, CompatibilityCases, oneByOne: false);
        else output.WriteLine("this kernel has no modify_ldt: 16-bit code was not tried");
    }

    [Fact]
    public void Sequences_In64BitCode_WithTheFixedSeed_DoAsTheHost() => Sequences(64, OracleSettings.Fixed, SequenceCases);

    [Fact]
    public void Sequences_In64BitCode_WithAFreshSeed_DoAsTheHost() => Sequences(64, OracleSettings.Fresh, SequenceCases);

    [Fact]
    public void Sequences_In32BitCode_WithAFreshSeed_DoAsTheHost() => Sequences(32, OracleSettings.Fresh, SequenceCases);

    private void Singles(int bitness, ulong seed, int count, bool oneByOne) => OnBoth(seed, count, oneByOne, (oracle, executor) =>
    {
        CaseBuilder builder = new(new InstructionCatalog(bitness, OracleSettings.Filter), seed, executor.HasSegmentBases);
        for (long i = 0; oracle.Count < count; i++)
        {
            if (builder.TryBuild(i, oracle.Case)) oracle.RunCase();
        }
    });

    private void Sequences(int bitness, ulong seed, int count) => OnBoth(seed, count, oneByOne: false, (oracle, _) =>
    {
        SequenceBuilder builder = new(new InstructionCatalog(bitness, OracleSettings.Filter), seed);
        for (long i = 0; oracle.Count < count; i++)
        {
            builder.Build(i, oracle.Case);
            oracle.RunCase();
        }
    });

    private void OnBoth(ulong seed, int count, bool oneByOne, Action<OracleRun, NativeExecutor> work) => OracleThread.Run(() =>
    {
        output.WriteLine($"seed {seed} ({OracleSettings.Variable}={OracleSettings.Fresh})");
        using NativeExecutor executor = new();
        using SoftwareTarget software = new() { OneByOne = oneByOne };
        OracleRun oracle = new(new NativeTarget(executor), software);
        work(oracle, executor);
        output.WriteLine(oracle.Report.Summary);
        Assert.True(oracle.Report.Total == 0, $"{OracleSettings.Variable}={OracleSettings.Fresh}: {oracle.Report}");
        Assert.Equal(count, oracle.Count);
    });
}
