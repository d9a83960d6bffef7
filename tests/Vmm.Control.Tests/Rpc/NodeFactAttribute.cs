using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Control.Tests.Rpc;

/// <summary>A test that needs Node.js with the example's packages; they are fetched when npm can, and where that is not possible the test is skipped with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NodeFactAttribute : FactAttribute
{
    private const int PatienceMs = 60_000;

    private static readonly Lazy<string?> Reason = new(WhyNot);

    public NodeFactAttribute() => Skip = Reason.Value;

    private static string? WhyNot()
    {
        string folder = Path.Combine(Repository.Root, "examples", "rpc", "node");
        try
        {
            if (Directory.Exists(Path.Combine(folder, "node_modules", "vscode-jsonrpc"))) return null;
            ProcessStartInfo start = new("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
            using Process npm = Process.Start(start)!;
            Task<string> errors = npm.StandardError.ReadToEndAsync();
            _ = npm.StandardOutput.ReadToEndAsync();
            if (!npm.WaitForExit(PatienceMs))
            {
                npm.Kill(entireProcessTree: true);
                return "npm does not come to an end";
            }

            return npm.ExitCode == 0 ? null : $"npm could not fetch vscode-jsonrpc: {errors.Result.ReplaceLineEndings(" ")}";
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return $"there is no npm here: {e.Message}";
        }
    }
}
