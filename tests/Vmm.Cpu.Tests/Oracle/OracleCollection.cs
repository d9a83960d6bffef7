namespace Vmm.Cpu.Tests.Oracle;

/// <summary>Tests that take over signal handling: nothing may run beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OracleCollection
{
    public const string Name = "native oracle";
}
