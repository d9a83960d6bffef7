using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Disk;

/// <summary>The guest of <c>tests/proofs/disk-guest</c>, built once.</summary>
internal static class DiskGuest
{
    private static readonly Lazy<string> Built = new(Build);

    /// <summary>The kernel's file.</summary>
    public static string Kernel => Built.Value;

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its exit code and what it said.</returns>
    public static (int Code, string Output) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    private static string Build()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("vmm-disk-guest").FullName, "guest");
        (int code, string output) = Run(Path.Combine(Repository.Root, "tests", "proofs", "disk-guest", "build.sh"), file);
        Assert.True(code == 0, output);
        return file;
    }
}
