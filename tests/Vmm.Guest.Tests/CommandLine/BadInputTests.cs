using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>Whatever is wrong with the input, the user gets clear lines and the right exit code, and never a stack trace.</summary>
public sealed class BadInputTests : IDisposable
{
    private const int BadArguments = 2, HostRefused = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-bad-input").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [ExecutableTheory]
    [InlineData("", BadArguments, "a verb is needed")]
    [InlineData("fly", BadArguments, "fly")]
    [InlineData("run", BadArguments, "--kernel")]
    [InlineData("run --kernel", BadArguments, "--kernel")]
    [InlineData("run --kernel k --no-such-option", BadArguments, "--no-such-option")]
    [InlineData("run --kernel @k", BadArguments, "@k")]
    [InlineData("run --kernel /no/such/file", BadArguments, "/no/such/file: no such file")]
    [InlineData("run --kernel /", BadArguments, "is a directory")]
    [InlineData("run --kernel /dev/null", BadArguments, "/dev/null")]
    [InlineData("run --kernel k --memory many", BadArguments, "'many' is no size")]
    [InlineData("run --kernel k --memory 512", BadArguments, "did you mean 512M?")]
    [InlineData("run --kernel k --memory 99999999T", BadArguments, "memory")]
    [InlineData("run --kernel k --memory 18446744073709551615", BadArguments, "memory")]
    [InlineData("run --kernel k --memory -1G", BadArguments, "memory")]
    [InlineData("run --kernel k --vcpus 0", BadArguments, "not from 1 to")]
    [InlineData("run --kernel k --vcpus -1", BadArguments, "vcpus")]
    [InlineData("run --kernel k --vcpus 99999999999", BadArguments, "vcpus")]
    [InlineData("run --kernel k --accel fast", BadArguments, "'fast' is none of auto, kvm, software")]
    [InlineData("run --kernel k --cpu 486", BadArguments, "cpu")]
    [InlineData("run --kernel k --serial tcp:1", BadArguments, "'tcp:1' is none of")]
    [InlineData("run --kernel k --serial stdio --serial stdio", BadArguments, "serial[1]")]
    [InlineData("run --kernel k --on-reboot never", BadArguments, "on-reboot")]
    [InlineData("run --kernel k --name ../x", BadArguments, "name")]
    [InlineData("run --kernel k --disk path=x", BadArguments, "it is not guessed, because a guest can write any header")]
    [InlineData("run --kernel k --disk path=x,format=raw,readnly", BadArguments, "did you mean 'readonly'?")]
    [InlineData("kernel unpack /no/such/file /tmp/x", BadArguments, "no such file")]
    public void Vmm_BadArguments_SaysWhatIsWrong(string arguments, int code, string expected)
        => Check(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), code, expected);

    [ExecutableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void Run_RandomKernel_SaysWhatIsWrong(int bytes)
    {
        byte[] noise = new byte[bytes];
        new Random(bytes).NextBytes(noise);
        Check(["run", "--kernel", Write("noise", noise)], BadArguments, "kernel");
    }

    [Debian.GuestFilesTheory]
    [InlineData(600)]
    [InlineData(4096)]
    [InlineData(100_000)]
    [InlineData(5_000_000)]
    public void Run_TruncatedKernel_SaysWhatIsWrong(int bytes)
    {
        Check(["run", "--kernel", Write("short", File.ReadAllBytes(Repository.Guest("vmlinuz"))[..bytes])], BadArguments, "kernel");
    }

    [ExecutableTheory]
    [InlineData("/bin/sh")]
    [InlineData("/etc/passwd")]
    public void Run_ForeignFile_SaysWhatIsWrong(string path) => Check(["run", "--kernel", path], BadArguments, path);

    [ExecutableTheory]
    [InlineData("--memory", "3T", "memory")]
    [InlineData("--serial", "unix:/no/such/directory/s", "/no/such/directory/s")]
    [InlineData("--serial", "file:/no/such/directory/f", "/no/such/directory/f")]
    public void Run_HostCannot_SaysWhy(string option, string value, string expected)
    {
        string kernel = Path.Combine(_directory, "kernel");
        TinyKernel.WritePvh(kernel, code => code.hlt());
        Check(["run", "--accel", "software", "--kernel", kernel, option, value], HostRefused, expected);
    }

    [PrivilegeTheory]
    [InlineData("network start", "CAP_NET_ADMIN")]
    [InlineData("network start route", "CAP_NET_ADMIN")]
    [InlineData("network start nat", "CAP_NET_ADMIN")]
    [InlineData("network stop nat", "CAP_NET_ADMIN")]
    public void Network_WithoutPrivilege_SaysWhichIsMissing(string arguments, string expected)
        => Check(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", Repository.Vmm, .. arguments.Split(' ')], HostRefused, expected, "setpriv");

    [PrivilegeTheory]
    [InlineData("tap,ifname=vmm-none0", "CAP_NET_ADMIN")]
    public void Run_TapWithoutPrivilege_SaysWhichIsMissing(string net, string expected)
    {
        string kernel = Path.Combine(_directory, "kernel");
        TinyKernel.WritePvh(kernel, code => code.hlt());
        Check(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", Repository.Vmm, "run", "--accel", "software", "--kernel", kernel, "--net", net], HostRefused, expected, "setpriv");
    }

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static void Check(string[] arguments, int code, string expected, string? program = null)
    {
        using GuestConsole vmm = new(program ?? Repository.Vmm, arguments);

        Assert.Equal(code, vmm.WaitForExit(Patience));
        string[] lines = vmm.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith("vmm: error: ", lines[0], StringComparison.Ordinal);
        Assert.Contains(expected, lines[0], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.True(line.StartsWith("vmm: ", StringComparison.Ordinal) || line.StartsWith("Try ", StringComparison.Ordinal), line));
        Assert.Equal("", vmm.Output);
    }
}
