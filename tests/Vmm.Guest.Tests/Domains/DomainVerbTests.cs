using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Iced.Intel;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Domains;

/// <summary>The verbs of domains as a user meets them.</summary>
public sealed class DomainVerbTests : IDisposable
{
    private const int BadArguments = 2, Failed = 8;

    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    [ExecutableFact]
    public void Create_LeastFile_RunsInTheBackgroundUntilDestroy()
    {
        DomainRoom.Answer created = _room.Run("create", _room.Config("a")).Good();

        Assert.Contains("vmm: domain 'a' is there, with id 1", created.Errors, StringComparison.Ordinal);
        string[] lines = _room.Run("list").Good().Lines;
        Assert.Equal("Name                                        ID   Mem VCPUs\tState\tTime(s)", lines[0]);
        Assert.Matches(@"^Domain-0 {32} {5}0 +\d+ +\d+     r-----  +\d+\.\d$", lines[1]);
        Assert.Matches(@"^a {39} {5}1    16     1     r-----  +\d+\.\d$", lines[2]);
        _room.Run("destroy", "a").Good();
        Assert.Equal(2, _room.Run("list").Good().Lines.Length);
        Assert.False(Directory.Exists(_room.FolderOf(1)));
    }

    [ExecutableFact]
    public void Names_OfADomain_LeadBothWays()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        Assert.Equal("1\n", _room.Run("domid", "a").Good().Output);
        _room.Run("rename", "a", "b").Good();
        Assert.Equal("b\n", _room.Run("domname", "1").Good().Output);
        Assert.Equal(BadArguments, _room.Run("domid", "a").Code);
        Assert.Equal(("0\n", "Domain-0\n"), (_room.Run("domid", "Domain-0").Output, _room.Run("domname", "0").Output));
        Assert.Matches(@"^b {36}1  0:00:\d\d$", _room.Run("uptime", "b").Good().Lines[1]);
        Assert.Matches("^[0-9a-f-]{36}  1    b$", _room.Run("vm-list").Good().Lines[2]);
    }

    [ExecutableFact]
    public void Pause_RunningDomain_WaitsUntilUnpause()
    {
        _room.Run("create", "-q", "-p", _room.Config("a")).Good();
        Assert.Equal("--p---", _room.StateOf("a"));
        _room.Run("unpause", "a").Good();
        Assert.Equal("r-----", _room.StateOf("a"));
        _room.Run("pause", "a").Good();
        Assert.Equal("--p---", _room.StateOf("a"));
    }

    [ExecutableFact]
    public void SaveAndRestore_Domain_GoesOnUnderItsName()
    {
        string config = _room.Config("a"), file = _room.PathOf("a.vmm");
        _room.Run("create", "-q", config).Good();
        string uuid = _room.Run("vm-list").Good().Lines[2][..36];

        _room.Run("save", "a", file).Good();

        Assert.Equal("", _room.StateOf("a"));
        _room.Run("restore", "-p", file).Good();
        Assert.Equal(("--p---", uuid), (_room.StateOf("a"), _room.Run("vm-list").Good().Lines[2][..36]));
        Assert.Equal(BadArguments, _room.Run("restore", file).Code);
        _room.Run("unpause", "a").Good();
        _room.Run("save", "-c", "a", file).Good();
        Assert.Equal("r-----", _room.StateOf("a"));
        _room.Run("save", "-p", "a", file).Good();
        Assert.Equal("--p---", _room.StateOf("a"));
        _room.Run("destroy", "a").Good();
        _room.Run("restore", "-q", config, file).Good();
        Assert.Equal("r-----", _room.StateOf("a"));
        DomainRoom.Answer none = _room.Run("restore", config);
        Assert.Equal(BadArguments, none.Code);
        Assert.Contains("a.cfg: it holds no saved domain", none.Errors, StringComparison.Ordinal);
        Assert.Contains("no such file", _room.Run("restore", _room.PathOf("none")).Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Autostart_WithSave_DomainsGoOnAfterTheRestart()
    {
        Directory.CreateDirectory(_room.PathOf("auto"));
        foreach (string name in (string[])["a", "b"]) File.Move(_room.Config(name), _room.PathOf($"auto/{name}.cfg"));
        string[] folder = ["--folder", _room.PathOf("auto"), "--save", _room.PathOf("save")];
        _room.Run(["autostart", "start", .. folder]).Good();

        _room.Run(["autostart", "stop", .. folder]).Good();

        Assert.Equal(2, _room.Run("list").Good().Lines.Length);
        Assert.Equal(["a", "b"], Directory.GetFiles(_room.PathOf("save")).Select(Path.GetFileName).Order());
        File.WriteAllText(_room.PathOf("save/b"), "Vmm saved domain, but broken");
        DomainRoom.Answer start = _room.Run(["autostart", "start", .. folder]);
        Assert.Equal(Failed, start.Code);
        Assert.Contains("'a' goes on", start.Errors, StringComparison.Ordinal);
        Assert.Equal(("r-----", ""), (_room.StateOf("a"), _room.StateOf("b")));
        Assert.Equal(["b"], Directory.GetFiles(_room.PathOf("save")).Select(Path.GetFileName));
    }

    [ExecutableFact]
    public void Create_Additions_WinOverTheFile()
    {
        DomainRoom.Answer answer = _room.Run("create", "-n", _room.Config("a"), "memory=32; vcpus=3", "extra='x'").Good();

        using JsonDocument config = JsonDocument.Parse(answer.Output);
        JsonElement machine = config.RootElement.GetProperty("machine");
        Assert.Equal((32L << 20, 3, "x"), (machine.GetProperty("memoryBytes").GetInt64(), machine.GetProperty("vcpus").GetInt32(),
            machine.GetProperty("boot").GetProperty("commandLine").GetString()));
        Assert.Equal(2, _room.Run("list").Good().Lines.Length);
    }

    [ExecutableTheory]
    [InlineData("kernel='/no/such/kernel'", BadArguments, "/no/such/kernel: no such file")]
    [InlineData("disk=['/no/such/disk,raw,xvda']", 3, "/no/such/disk")]
    [InlineData("memory=1", BadArguments, "a.cfg:5:8: memory: 1M is less than 4M")]
    [InlineData("type='pv'", BadArguments, "a.cfg:5:6: paravirtualized guests need Xen itself")]
    [InlineData("memory=3000000", 3, "is more than this host's")]
    public void Create_WhatCannotBe_SaysWhyAndLeavesNothing(string more, int code, string expected)
    {
        DomainRoom.Answer answer = _room.Run("create", "-q", _room.Config("a", more));

        Assert.Equal(code, answer.Code);
        Assert.Contains(expected, answer.Errors, StringComparison.Ordinal);
        Assert.All(answer.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.StartsWith("vmm: ", line, StringComparison.Ordinal));
        Assert.Equal(2, _room.Run("list").Good().Lines.Length);
        Assert.False(Directory.Exists(_room.FolderOf(1)));
    }

    [ExecutableFact]
    public void Create_TakenName_IsRefused()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        DomainRoom.Answer again = _room.Run("create", "-q", _room.PathOf("a.cfg"));

        Assert.Equal((BadArguments, "vmm: error: a domain named 'a' is there already, with id 1\n"), (again.Code, again.Errors));
    }

    [ExecutableFact]
    public void Create_WithoutMonitor_KeepsTheDomainAfterItsGuestsEnd()
    {
        _room.Run("create", "-q", "-e", _room.Config("a", code: a => a.ud2())).Good();

        DomainRoom.WaitFor(() => _room.StateOf("a") == "---sc-", "the domain has crashed and is kept");
        Assert.Matches(@"the guest crashed|triple fault", _room.Run("dmesg", "a").Good().Output);
        Assert.Equal(Failed, _room.Run("pause", "a").Code);
        _room.Run("destroy", "a").Good();
        Assert.Equal("", _room.StateOf("a"));
    }

    [ExecutableFact]
    public void Domain_KilledProcess_LeavesNothing()
    {
        foreach (string name in (string[])["a", "b", "c"]) _room.Run("create", "-q", _room.Config(name)).Good();
        Assert.Equal(5, _room.Run("list").Good().Lines.Length);

        foreach ((string name, int id) in ((string, int)[])[("a", 1), ("c", 3)])
        {
            using Process process = Process.GetProcessById(_room.ProcessOf(name));
            process.Kill();
            // The lock is free when the process is gone; who looks then sweeps.
            DomainRoom.WaitFor(() => _room.StateOf(name).Length == 0 && !Directory.Exists(_room.FolderOf(id)), "a killed domain is gone");
        }

        Assert.Equal((false, true, false), (Directory.Exists(_room.FolderOf(1)), Directory.Exists(_room.FolderOf(2)), Directory.Exists(_room.FolderOf(3))));
        _room.Run("create", "-q", _room.PathOf("a.cfg")).Good();
        Assert.Equal("4\n", _room.Run("domid", "a").Good().Output);
    }

    [ExecutableFact]
    public void Domain_Sigterm_EndsInOrder()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();
        using (Process kill = Process.Start("kill", [.. (string[])["-TERM", $"{_room.ProcessOf("a")}"]])) kill.WaitForExit();

        DomainRoom.WaitFor(() => !Directory.Exists(_room.FolderOf(1)), "the domain has removed its folder");
    }

    [ExecutableFact]
    public void Console_OfADomain_ShowsWhatCameBeforeAndLeaves()
    {
        _room.Run("create", "-q", _room.Config("a", code: Greet)).Good();
        using Process console = Process.Start(_room.Start(Repository.Vmm, "console", "a"))!;

        char[] greeting = new char[5];
        Assert.Equal(5, console.StandardOutput.ReadBlock(greeting));
        Assert.Equal("hello", new string(greeting));
        console.StandardInput.Write('\x1d');
        console.StandardInput.Flush();
        Assert.True(console.WaitForExit(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, console.ExitCode);
    }

    [ExecutableFact]
    public void Console_OfADomainThatEnds_Ends()
    {
        _room.Run("create", "-q", _room.Config("a", code: Greet)).Good();
        using Process console = Process.Start(_room.Start(Repository.Vmm, "console", "a"))!;
        Assert.Equal('h', console.StandardOutput.Read());

        _room.Run("destroy", "a").Good();

        Assert.True(console.WaitForExit(TimeSpan.FromSeconds(30)));
        Assert.Equal(0, console.ExitCode);
    }

    [ExecutableFact]
    public void Devices_OfARunningDomain_ComeAndAreListed()
    {
        File.WriteAllBytes(_room.PathOf("d.img"), new byte[1 << 20]);
        _room.Run("create", "-q", _room.Config("a", "vif=['mac=00:16:3e:00:00:11']")).Good();

        _room.Run("block-attach", "a", $"{_room.PathOf("d.img")},raw,xvdb,ro").Good();
        _room.Run("block-attach", "a", $"phy:{_room.PathOf("d.img")}", "xvdc", "r").Good();

        Assert.Matches($@"^51728 0   51728  4     -1     -1       {Regex.Escape(_room.PathOf("d.img"))} *$", _room.Run("block-list", "a").Good().Lines[1]);
        Assert.Equal(3, _room.Run("block-list", "a").Good().Lines.Length);
        Assert.Equal(Failed, _room.Run("block-attach", "a", $"{_room.PathOf("d.img")},raw,xvdb,ro").Code);
        Assert.Equal(BadArguments, _room.Run("block-attach", "a", "/x,raw,zzz").Code);
        Assert.Equal(BadArguments, _room.Run("block-detach", "a", "xvdz").Code);
        Assert.Matches("^0   0  00:16:3e:00:00:11 0      4     -1        -1/-1 ", _room.Run("network-list", "a").Good().Lines[1]);
        Assert.Contains("nobr0", _room.Run("network-attach", "a", "bridge=nobr0", "mtu=1400").Errors, StringComparison.Ordinal);
        Assert.Equal(BadArguments, _room.Run("network-attach", "a", "birdge=br0").Code);
        Assert.Equal(BadArguments, _room.Run("network-detach", "a", "9").Code);
        foreach (DomainRoom.Answer cd in (DomainRoom.Answer[])[_room.Run("cd-insert", "a", "hdc", "/x.iso"), _room.Run("cd-eject", "a", "hdc")])
            Assert.Equal((Failed, true), (cd.Code, cd.Errors.Contains("has no CD drive: there are none yet", StringComparison.Ordinal)));
    }

    [ExecutableFact]
    public void Devices_TakenByForce_AreGoneWhateverTheGuestDoes()
    {
        File.WriteAllBytes(_room.PathOf("d.img"), new byte[1 << 20]);
        _room.Run("create", "-q", _room.Config("a", $"vif=['mac=00:16:3e:00:00:11']\ndisk=['{_room.PathOf("d.img")},raw,xvda,rw']")).Good();

        _room.Run("block-detach", "--force", "a", "xvda").Good();
        _room.Run("network-detach", "-f", "a", "00:16:3E:00:00:11").Good();

        Assert.Equal((1, 1), (_room.Run("block-list", "a").Good().Lines.Length, _room.Run("network-list", "a").Good().Lines.Length));
        _room.Run("block-attach", "a", $"{_room.PathOf("d.img")},raw,xvda,rw").Good();
    }

    [ExecutableFact]
    public void Trigger_EachButton_DoesItOrSaysWhyNot()
    {
        _room.Run("create", "-q", _room.Config("a", "on_crash='preserve'")).Good();

        Assert.Contains("does not listen to the power button", _room.Run("trigger", "a", "power").Errors, StringComparison.Ordinal);
        foreach (string absent in (string[])["sleep", "s3resume", "init"]) Assert.Equal((Failed, true), (_room.Run("trigger", "a", absent).Code, _room.Run("trigger", "a", absent).Errors.Contains("is not there", StringComparison.Ordinal)));
        Assert.Contains("'horn' is none of power, reset, nmi", _room.Run("trigger", "a", "horn").Errors, StringComparison.Ordinal);
        Assert.Equal(BadArguments, _room.Run("trigger", "a", "nmi", "7").Code);
        _room.Run("trigger", "a", "reset").Good();
        DomainRoom.WaitFor(() => _room.Run("list", "-l", "a").Good().Output.Contains("\"boots\": 2", StringComparison.Ordinal), "the guest is reset");
        // The kernel has no handler for it, nor for what follows.
        _room.Run("trigger", "a", "nmi", "0").Good();
        DomainRoom.WaitFor(() => _room.StateOf("a") == "---sc-", "the guest has crashed");
    }

    [ExecutableFact]
    public void Flags_BeforeTheVerb_AreThoseOfXl()
    {
        string config = _room.Config("a");

        using (JsonDocument dry = JsonDocument.Parse(_room.Run("-N", "create", "-q", config).Good().Output)) Assert.Equal("a", dry.RootElement.GetProperty("name").GetString());
        _room.Run("create", "-q", config).Good();
        Assert.Contains("\"config\": \"path=/x,format=raw,id=xvdb\"", _room.Run("-N", "block-attach", "a", "/x,raw,xvdb").Good().Output, StringComparison.Ordinal);
        Assert.Single(_room.Run("-ft", "block-list", "a").Good().Lines);
        Assert.Contains("'list' has no dry run", _room.Run("-N", "list").Errors, StringComparison.Ordinal);
        Assert.Matches(@"^vmm: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \[\d+\] error: there is no domain 'nobody'\n$", _room.Run("-T", "pause", "nobody").Errors);
        _room.Run("reboot", "a").Good();
        DomainRoom.WaitFor(() => _room.Run("dmesg", "a").Good().Output.Contains("reset from outside", StringComparison.Ordinal), "the reset is in the log");
        DomainRoom.Answer quiet = _room.Run("network-attach", "a", "bridge=nobr0"), verbose = _room.Run("-vf", "network-attach", "a", "bridge=nobr0");
        Assert.DoesNotContain("its log:", quiet.Errors, StringComparison.Ordinal);
        Assert.StartsWith(quiet.Errors, verbose.Errors, StringComparison.Ordinal);
        Assert.Contains("vmm: its log: ", verbose.Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Verbs_OfXlThatAreNotHere_SayWhatTakesTheirPlace()
    {
        DomainRoom.Answer answer = _room.Run("migrate", "a", "host");

        Assert.Equal((BadArguments, "vmm: error: there is no 'migrate' here: a domain cannot move to another host yet\n"), (answer.Code, answer.Errors));
        Assert.Contains("did you mean 'list'?", _room.Run("lits").Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Vcpus_OfADomain_AreListedAndPinned()
    {
        _room.Run("create", "-q", _room.Config("a", "vcpus=2")).Good();

        _room.Run("vcpu-pin", "a", "1", "0").Good();

        string[] lines = _room.Run("vcpu-list", "a").Good().Lines;
        Assert.Equal("Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)", lines[0]);
        Assert.Matches(@"^a {31}     1     0 +\d+   r-- +\d+\.\d all / all$", lines[1]);
        Assert.Matches(@"^a {31}     1     1 +\d+   -b- +\d+\.\d (0|all) / all$", lines[2]);
        Assert.Equal(BadArguments, _room.Run("vcpu-pin", "a", "7", "0").Code);
        Assert.Equal(BadArguments, _room.Run("vcpu-pin", "a", "0", "x").Code);
        Assert.Equal(BadArguments, _room.Run("vcpu-pin", "a", "0", "all", "0").Code);
        _room.Run("vcpu-set", "a", "2").Good();
        Assert.Contains("has 2 vCPUs, which cannot be 1 while it is there", _room.Run("vcpu-set", "a", "1").Errors, StringComparison.Ordinal);
        Assert.EndsWith("NODE Affinity", _room.Run("list", "-n", "-c", "a").Good().Lines[0], StringComparison.Ordinal);
        Assert.Contains("numa_info              :", _room.Run("info", "-n").Good().Lines);
    }

    [ExecutableFact]
    public void Memory_Size_IsReadAsXlReadsIt()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        _room.Run("mem-set", "a", "8").Good();
        _room.Run("mem-set", "a", "16384k").Good();
        Assert.Contains("is more than the 16M", _room.Run("mem-set", "a", "1g").Errors, StringComparison.Ordinal);
        Assert.Contains("'lots' is no size", _room.Run("mem-set", "a", "lots").Errors, StringComparison.Ordinal);
        _room.Run("mem-max", "a", "12m").Good();
        Assert.Contains("is more than the 12M that the domain may have", _room.Run("mem-set", "a", "16").Errors, StringComparison.Ordinal);
        Assert.Contains("is more than the 16M that the domain was made with", _room.Run("mem-max", "a", "17").Errors, StringComparison.Ordinal);
        _room.Run("mem-max", "a", "16").Good();
        _room.Run("mem-set", "a", "16").Good();
    }

    [ExecutableFact]
    public void Shutdown_GuestThatDoesNotListen_EndsByItsTimeOnly()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        DomainRoom.Answer asked = _room.Run("shutdown", "a");
        Assert.Equal(Failed, asked.Code);
        Assert.Contains("does not listen to the power button", asked.Errors, StringComparison.Ordinal);
        Assert.Equal("r-----", _room.StateOf("a"));
        _room.Run("shutdown", "-a", "--timeout", "1").Good();
        Assert.Equal("", _room.StateOf("a"));
    }

    [ExecutableFact]
    public void Reboot_RunningDomain_StartsItAnew()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        _room.Run("reboot", "-w", "a").Good();

        using JsonDocument list = JsonDocument.Parse(_room.Run("list", "-l", "a").Good().Output);
        Assert.Equal(2, list.RootElement[0].GetProperty("boots").GetInt32());
        Assert.Equal("a", list.RootElement[0].GetProperty("config").GetProperty("name").GetString());
    }

    [ExecutableFact]
    public void Top_WithoutTerminal_IsOneTable()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();

        string[] lines = _room.Run("top").Good().Lines;

        Assert.StartsWith("NAME                   STATE  CPU(sec) CPU(%)    MEM(k) MEM(%) MAXMEM(k) VCPUS", lines[0], StringComparison.Ordinal);
        Assert.Matches(@"^a +r----- +\d+ +\d+\.\d +16384 +0\.\d +16384 +1 +0", Assert.Single(lines.Skip(1)));
    }

    [ExecutableTheory]
    [InlineData("pause")]
    [InlineData("console")]
    [InlineData("destroy")]
    [InlineData("uptime")]
    [InlineData("block-list")]
    [InlineData("vcpu-list")]
    public void Verb_UnknownDomain_SaysSo(string verb)
    {
        DomainRoom.Answer answer = _room.Run(verb, "nobody");

        Assert.Equal((BadArguments, "vmm: error: there is no domain 'nobody'\n"), (answer.Code, answer.Errors));
    }

    [ExecutableFact]
    public void Xl_ByItsName_HasTheFaceOfXl()
    {
        string xl = _room.PathOf("xl");
        File.CreateSymbolicLink(xl, Repository.Vmm);

        _room.RunAs(xl, "create", "-q", _room.Config("a")).Good();
        Assert.Equal(3, _room.RunAs(xl, "list").Good().Lines.Length);
        string help = _room.RunAs(xl, "--help").Good().Output;
        Assert.Contains("  vcpu-pin ", help, StringComparison.Ordinal);
        Assert.DoesNotContain("  doctor ", help, StringComparison.Ordinal);
        Assert.Contains("Try 'xl --help'.", _room.RunAs(xl, "run").Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Help_OfEveryVerb_IsThere()
    {
        string[] verbs = [.. _room.Run("--help").Good().Lines.SkipWhile(l => l != "Commands:").Skip(1).TakeWhile(l => l.StartsWith("  ", StringComparison.Ordinal)).Select(l => l.Trim().Split(' ')[0])];

        Assert.True(verbs.Length > 35, $"{verbs.Length} verbs");
        Assert.All(verbs, verb => Assert.StartsWith("Description:", _room.Run(verb, "--help").Good().Output, StringComparison.Ordinal));
        Assert.Equal(_room.Run("image", "create", "--help").Output, _room.Run("help", "image", "create").Good().Output);
        Assert.Equal(BadArguments, _room.Run("help", "nosuch").Code);
        Assert.Equal(_room.Run("image", "nosuch").Code, _room.Run("help", "image", "nosuch").Code);
        Assert.NotEqual(0, _room.Run("help", "image", "nosuch").Code);
        Assert.All(_room.Run("help").Good().Lines, line => Assert.True(line.Length < 200, line));
    }

    private static void Greet(Assembler a)
    {
        a.mov(dx, 0x3f8);
        foreach (char c in "hello")
        {
            a.mov(al, (sbyte)c);
            a.@out(dx, al);
        }

        DomainRoom.Spin(a);
    }
}
