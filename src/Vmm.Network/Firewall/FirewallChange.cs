using System.Collections.Immutable;
using Vmm.Host;

namespace Vmm.Network.Firewall;

/// <summary>What a program is told to change of the host's rules. In words, so that it can be written down before it is done.</summary>
public sealed record FirewallChange
{
    /// <summary>"nft" or "iptables".</summary>
    public required string Program { get; init; }

    /// <summary>What nft reads: all of it happens or nothing.</summary>
    public string Script { get; init; } = "";

    /// <summary>What iptables is told, call by call.</summary>
    public ImmutableArray<string> Commands { get; init; } = [];

    /// <summary>Does it.</summary>
    /// <exception cref="LinuxException">The program is not there, or refuses.</exception>
    public void Apply()
    {
        foreach (HostProgramResult result in Run()) Check(result);
    }

    /// <summary>Does it as far as it can be done: rules that are not there cannot be removed.</summary>
    public void TryApply()
    {
        if (HostProgram.Find(Program) is null) return;
        foreach (HostProgramResult _ in Run()) { }
    }

    private IEnumerable<HostProgramResult> Run()
    {
        string path = HostProgram.Find(Program) ?? throw new LinuxException($"the program {Program} is not there any more");
        if (Script.Length != 0) yield return new HostProgram(path, ["-f", "-"]) { Input = Script }.Run();
        foreach (string command in Commands) yield return new HostProgram(path, ["-w", .. command.Split(' ')]).Run();
    }

    private void Check(HostProgramResult result)
    {
        if (result.IsGood) return;
        string why = result.ExitCode is null ? "it does not end" : result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? $"exit code {result.ExitCode}";
        throw new LinuxException($"{Program} refuses the rules: {why}");
    }
}
