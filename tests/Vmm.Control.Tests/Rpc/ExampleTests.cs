using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Control.Tests.Rpc;

/// <summary>The examples drive a tiny guest, which greets and repeats what it hears, through its life.</summary>
public sealed class ExampleTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly RunningDomain _domain = new(TinyKernel.Echo, options: new() { IsPaused = true });

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void Shell_WithSocatAndJq_DrivesAGuestThroughItsLife() => Check("renamed-by-shell", "bash", "life.sh");

    [Fact]
    public void Python_WithItsStandardLibrary_DrivesAGuestThroughItsLife() => Check("renamed-by-python", "python3", "life.py");

    [NodeFact]
    public void Node_WithVscodeJsonRpc_DrivesAGuestThroughItsLife() => Check("renamed-by-node", "node", "node/life.js");

    private void Check(string name, string program, string script)
    {
        string text = Run(program, Path.Combine(Repository.Root, "examples", "rpc", script), _domain.Host.Folder.Socket, ">", "parrot", "parrot");

        Assert.Contains("the console shows", text, StringComparison.Ordinal);
        Assert.Contains("dice", text, StringComparison.Ordinal);
        Assert.Contains("it takes its time: the domain is destroyed", text, StringComparison.Ordinal);
        Assert.Contains("the guest ended: stopped: destroyed", text, StringComparison.Ordinal);
        Assert.Contains($"'{name}'", text, StringComparison.Ordinal);
        Assert.Equal(Machine.MachineEnd.Stopped, _domain.WaitForEnd().End);
    }

    private static string Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["VMM_SHUTDOWN_SECONDS"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience)) process.Kill(entireProcessTree: true);
        string text = output.Result + errors.Result;
        Assert.True(process.ExitCode == 0, text);
        return text;
    }
}
