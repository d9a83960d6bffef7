using Vmm.Fuzz.Machine;

namespace Vmm.Fuzz.Tests;

public class SnapshotSeedTests
{
    // Set to 1 to write the seed anew after a change of the format or of a state.
    private const string WriteVariable = "VMM_WRITE_SEEDS";

    /// <summary>A seed that is refused would make every other input be refused for the same reason.</summary>
    [Fact]
    public void Seed_OfTheCorpus_CanBeRestored()
    {
        string path = Path.Combine(TestKit.Repository.Root, "tests", "Vmm.Fuzz", "corpus", "snapshot", "idle");
        if (Environment.GetEnvironmentVariable(WriteVariable) == "1") File.WriteAllBytes(path, SnapshotTarget.MakeSeed());

        Assert.Null(Record.Exception(() => SnapshotTarget.Restore(File.ReadAllBytes(path))));
    }
}
