using System.Globalization;
using System.Text.RegularExpressions;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>What a run may be told from outside. Its seeds: one that never changes, and a fresh one, or that of the environment variable to see a failure again.</summary>
internal static class OracleSettings
{
    public const string Variable = "VMM_ORACLE_SEED";

    public const ulong Fixed = 20_260_101;

    public static readonly ulong Fresh = FromEnvironment() ?? (ulong)Random.Shared.NextInt64();

    /// <summary>The families that the software CPU has so far.</summary>
    private const string Finished = "^(?!FPU)(?!.* (Wait|Fxsave|Fxrstor))";

    /// <summary>What <c>VMM_ORACLE_FILTER</c> restricts the cases to ("." is everything); see <see cref="Generation.InstructionCatalog"/>.</summary>
    public static readonly Regex? Filter = new(Environment.GetEnvironmentVariable("VMM_ORACLE_FILTER") is { Length: > 0 } pattern ? pattern : Finished);

    private static ulong? FromEnvironment()
        => ulong.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) ? seed : null;
}
