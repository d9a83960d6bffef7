using System.Diagnostics;

namespace Vmm.Storage.Tests.Engines;

/// <summary>A block device of the host with a file behind it, where the host gives us one.</summary>
internal sealed class LoopDevice : IDisposable
{
    private LoopDevice(string path) => Path = path;

    public string Path { get; }

    public static LoopDevice? TryCreate(string file)
    {
        string path = Losetup("--find", "--show", file).Trim();
        return path.Length == 0 ? null : new LoopDevice(path);
    }

    public void Dispose() => Losetup("--detach", Path);

    private static string Losetup(params string[] arguments)
    {
        const string Program = "/usr/sbin/losetup";
        if (!File.Exists(Program)) return "";
        using Process process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : "";
    }
}
