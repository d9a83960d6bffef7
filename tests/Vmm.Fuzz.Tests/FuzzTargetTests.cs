namespace Vmm.Fuzz.Tests;

/// <summary>Every target bears its corpus and some thousands of mutations of it. Long runs: <c>tests/Vmm.Fuzz</c>.</summary>
public class FuzzTargetTests
{
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(4);

    public static TheoryData<string> Targets() => [.. FuzzTargets.All.Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Target_Corpus_IsBorne(string name)
    {
        IFuzzTarget target = FuzzTargets.Find(name)!;
        IReadOnlyList<(string Name, byte[] Bytes)> seeds = FuzzCorpus.Read(target);

        Assert.NotEmpty(seeds);
        Assert.All(seeds, seed => Assert.True(seed.Bytes.Length <= target.MostBytes, $"{seed.Name} is longer than the inputs of {name} may be"));
        Assert.All(seeds, seed => Bears(target, seed.Name, [seed.Bytes]));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Target_Mutations_AreBorne(string name)
    {
        int most = int.TryParse(Environment.GetEnvironmentVariable("VMM_FUZZ_INPUTS"), out int inputs) ? inputs : 3000;
        IFuzzTarget target = FuzzTargets.Find(name)!;
        byte[][] seeds = [.. FuzzCorpus.Read(target).Select(s => s.Bytes)];
        FuzzMutator mutator = new(new Random(1), seeds, target.MostBytes);
        // What the first run costs, only to compile the code, says nothing of the others.
        Bears(target, "a seed", seeds.Take(1));
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();

        int done = Bears(target, "a mutation", Enumerable.Range(0, most).TakeWhile(_ => watch.Elapsed < MostTime).Select(_ => mutator.Next()));

        Assert.True(done >= target.LeastInputs, $"only {done} inputs in {watch.Elapsed}");
    }

    private static int Bears(IFuzzTarget target, string what, IEnumerable<byte[]> inputs)
    {
        FuzzRunner runner = new(target);
        FuzzFinding? finding = runner.Run(inputs);
        Assert.True(finding is null, $"{target.Name}, {what}: {finding?.Save(target)}: {finding?.What}");
        return runner.Done;
    }
}
