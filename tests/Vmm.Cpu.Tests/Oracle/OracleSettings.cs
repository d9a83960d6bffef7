using System.Globalization;
using System.Text.RegularExpressions;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>What a run may be told from outside. Its seeds: one that never changes, and a fresh one, or that of the environment variable to see a failure again.</summary>
internal static class OracleSettings
{
    public const string Variable = "VMM_ORACLE_SEED";

    public const ulong Fixed = 20_260_101;

    public static readonly ulong Fresh = FromEnvironment() ?? (ulong)Random.Shared.NextInt64();

    /// <summary>What <c>VMM_ORACLE_FILTER</c> restricts the cases to while somebody works on a family; see <see cref="Generation.InstructionCatalog"/>.</summary>
    public static readonly Regex? Filter = Environment.GetEnvironmentVariable("VMM_ORACLE_FILTER") is { Length: > 0 } pattern ? new Regex(pattern) : null;

    private static ulong? FromEnvironment()
        => ulong.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) ? seed : null;
}
