using System.Diagnostics;
using System.Globalization;
using Vmm.Host.Sandbox;
using Vmm.TestKit;

namespace Vmm.Host.Tests.Sandbox;

/// <summary>A process that has confined itself tries what it may not do, on a thread that was there before.</summary>
public class ProcessSandboxTests
{
    private const int KilledBySigsys = 128 + 31, EPERM = 1, EACCES = 13, ENOSYS = 38;
    private const string Marker = "vmm-sandbox-test";

    [Theory]
    [InlineData("execve", 59)]
    [InlineData("execveat", 322)]
    [InlineData("fork", 57)]
    [InlineData("ptrace", 101)]
    [InlineData("process_vm_readv", 310)]
    [InlineData("mount", 165)]
    [InlineData("unshare", 272)]
    [InlineData("setns", 308)]
    [InlineData("bpf", 321)]
    [InlineData("capset", 126)]
    [InlineData("getpid of x32", 0x4000_0000 | 39)]
    public void Call_OfAnIntruder_EndsTheProcess(string name, int number)
    {
        (int code, string output) = Run("none", "call", $"{number}");
        Assert.True(code == KilledBySigsys, $"{name}: exit code {code}, {output}");
    }

    [Theory]
    [InlineData(ENOSYS, "mknod", 133, 0, 0, 0)]
    [InlineData(ENOSYS, "clone3", 435, 0, 0, 0)]
    [InlineData(EPERM, "clone, a process", 56, 17, 0, 0)]
    [InlineData(EPERM, "clone, a thread in a namespace of its own", 56, 0x1001_0f00, 0, 0)]
    [InlineData(EACCES, "socket, AF_INET", 41, 2, 1, 0)]
    [InlineData(EACCES, "socket, AF_UNIX", 41, 1, 1, 0)]
    [InlineData(EACCES, "socket, AF_NETLINK", 41, 16, 3, 0)]
    [InlineData(EPERM, "io_uring_setup", 425, 8, 0, 0)]
    [InlineData(EPERM, "ioctl, TIOCSTI", 16, 0, 0x5412, 0)]
    [InlineData(EPERM, "prctl, PR_SET_DUMPABLE", 157, 4, 1, 0)]
    [InlineData(EPERM, "fcntl, F_SETOWN", 72, 0, 8, 1)]
    [InlineData(0, "getpid", 39, 0, 0, 0)]
    [InlineData(0, "fcntl, F_GETFD", 72, 0, 1, 0)]
    public void Call_Unforeseen_Fails(int expected, string name, int number, int first, int second, int third)
    {
        (int code, string output) = Run("none", "call", $"{number}", $"{first}", $"{second}", $"{third}");
        Assert.True(code == 0 && output == $"{expected}", $"{name}: exit code {code}, {output}");
    }

    [Fact]
    public void Socket_WhereConnectionsAreNeeded_IsMadeOfThatKindAlone()
    {
        Assert.Equal((0, "0"), Run("inet", "call", "41", "2", "1", "0"));
        Assert.Equal((0, $"{EACCES}"), Run("inet", "call", "41", "1", "1", "0"));
    }

    [Fact]
    public void Kill_OfAnother_Fails() => Assert.Equal((0, $"{EPERM}"), Run("none", "kill-parent"));

    [SkippableLandlockFact]
    public void Open_WhatThePolicyNames_WorksAndNothingElse()
    {
        string named = Path.Combine(Path.GetTempPath(), $"{Marker}-{Guid.NewGuid():n}"), other = $"{named}-other";
        File.WriteAllText(named, "");
        File.WriteAllText(other, "");
        try
        {
            Assert.Equal((0, "0"), Run(named, "open", named));
            Assert.Equal((0, $"{EACCES}"), Run(named, "open", other));
            Assert.Equal((0, $"{EACCES}"), Run("none", "open", "/etc/passwd"));
            Assert.Equal((0, $"{EACCES}"), Run("files", "open", "/etc/passwd"));
        }
        finally
        {
            File.Delete(named);
            File.Delete(other);
        }
    }

    [Fact]
    public void Runtime_WithThreadsGarbageAndTimers_GoesOn() => Assert.Equal((0, "0"), Run("none", "threads"));

    [Fact]
    public void Threads_ThatAreStartedMeanwhile_DoNotStopIt() => Assert.All(Enumerable.Range(0, 10), _ => Assert.Equal((0, "0"), Run("none", "chain")));

    [Fact]
    public void Threads_AllOfThem_AreConfined()
    {
        using Process process = Start("none", "wait");
        Assert.Equal("ready", process.StandardOutput.ReadLine());
        string[] threads = Directory.GetDirectories($"/proc/{process.Id}/task");
        Assert.True(threads.Length > 2);
        foreach (string thread in threads)
        {
            Dictionary<string, string> status = File.ReadLines($"{thread}/status").Select(line => line.Split(':', 2)).ToDictionary(parts => parts[0], parts => parts[1].Trim());
            Assert.Equal(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]));
            foreach (string set in new[] { "CapEff", "CapPrm", "CapInh", "CapAmb" }) Assert.Equal(0UL, ulong.Parse(status[set], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        }

        process.StandardInput.Write('\n');
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static (int Code, string Output) Run(string policy, params string[] action)
    {
        using Process process = Start(policy, action);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    private static Process Start(string policy, params string[] action)
    {
        string configuration = Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));
        ProcessStartInfo start = new(Path.Combine(Repository.Root, ".artifacts", "bin", "Vmm.SandboxProbe", configuration, "Vmm.SandboxProbe"), [policy, .. action])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    [AttributeUsage(AttributeTargets.Method)]
    private sealed class SkippableLandlockFactAttribute : FactAttribute
    {
        public SkippableLandlockFactAttribute() => Skip = ProcessSandbox.LandlockVersion == 0 ? "this kernel has no Landlock" : null;
    }
}
