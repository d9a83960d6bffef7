using System.Diagnostics;

namespace Vmm.Storage.Tests;

/// <summary>Debian's qemu-img and qemu-io, the oracle.</summary>
internal static class QemuImg
{
    public static string Run(params string[] arguments) => Run(0, arguments);

    public static string Run(int expected, string[] arguments) => Start("qemu-img", expected, arguments);

    public static void Io(string path, string format, IEnumerable<string> commands)
        => Start("qemu-io", 0, ["-f", format, .. commands.SelectMany(c => new[] { "-c", c }), path]);

    private static string Start(string program, int expected, string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == expected, $"{program} {string.Join(' ', arguments)}: {process.ExitCode}\n{output}{error.Result}");
        return output;
    }
}
