using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>What is in the executable is in every process of every guest.</summary>
public class ExecutableSizeTests
{
    // It had 20 MB when this was written. Something like a library with reflection doubles it unseen.
    private const long MostBytes = 24_000_000;

    [ExecutableFact]
    public void Vmm_HasNotGrownUnseen() => Assert.InRange(new FileInfo(Repository.Vmm).Length, 1, MostBytes);
}
