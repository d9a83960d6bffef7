using System.Diagnostics;
using System.Text.Json;
using Vmm.Guest.Tests.Debian;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>A Debian as a domain, from its clone to its shutdown, by the verbs alone.</summary>
public sealed class DebianDomainTests : IDisposable
{
    private static readonly TimeSpan BootPatience = TimeSpan.FromSeconds(400), CommandPatience = TimeSpan.FromSeconds(240);

    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    [DebianSystemFact]
    public void Debian_AsADomain_DoesWhatTheVerbsAsk()
    {
        string source = _room.PathOf("base.cfg");
        File.WriteAllText(source, $"""
            name = "base"
            kernel = "{Repository.Guest("vmlinux")}"
            ramdisk = "{Repository.Guest("debian.initrd.img")}"
            cmdline = "console=ttyS0 root=/dev/vda rw quiet"
            memory = 512
            vmm_accel = "software"
            disk = [ "{Repository.Guest("debian.qcow2")},qcow2,xvda,rw" ]
            """);
        File.WriteAllBytes(_room.PathOf("data.img"), new byte[1 << 20]);
        _room.Run("clone", source, "--name", "web", "--disk", "overlay", "--folder", Path.GetDirectoryName(source)!).Good();
        _room.Run("create", "-q", _room.PathOf("web.cfg")).Good();
        using Process console = Process.Start(_room.Start(Repository.Vmm, "console", "web"))!;
        ConsoleText text = new(typed =>
        {
            console.StandardInput.Write(typed);
            console.StandardInput.Flush();
        });
        text.ReadFrom(console.StandardOutput);
        LogIn(text);

        _room.Run("block-attach", "web", $"{_room.PathOf("data.img")},raw,xvdb,rw").Good();
        WaitFor(text, "test -b /dev/vdb");
        _room.Run("block-detach", "web", "xvdb").Good();
        WaitFor(text, "! test -b /dev/vdb");
        _room.Run("network-attach", "web").Good();
        WaitFor(text, "test $(ls /sys/class/net | wc -l) = 2");
        _room.Run("network-detach", "web", "0").Good();
        WaitFor(text, "test $(ls /sys/class/net | wc -l) = 1");
        KillDeviceModelWhileItWrites(text);
        _room.Run("mem-set", "web", "300").Good();
        DomainRoom.WaitFor(() => _room.Run("list", "web").Good().Lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[2] == "300", "the guest has 300 MiB");
        _room.Run("sysrq", "web", "h").Good();
        text.Expect("sysrq: HELP", CommandPatience);
        _room.Run("dump-core", "web", _room.PathOf("core")).Good();
        Assert.Equal("\u007fELF", FirstLetters(_room.PathOf("core"), 4));

        _room.Run("shutdown", "-w", "web").Good();

        Assert.Equal("", _room.StateOf("web"));
        Assert.True(console.WaitForExit(TimeSpan.FromSeconds(30)), "the console does not end with its domain");
    }

    /// <summary>What Debian writes meanwhile is there afterwards.</summary>
    private void KillDeviceModelWhileItWrites(ConsoleText text)
    {
        text.RunCommand("dd if=/dev/urandom of=/dev/shm/a bs=64k count=64 2>/dev/null", CommandPatience);
        text.SendLine("for i in 1 2 3 4 5 6; do cp /dev/shm/a /root/b$i; sync; echo copied $i; done");
        for (int i = 1; i <= 3; i++)
        {
            text.Expect($"copied {i}", CommandPatience);
            using Process deviceModel = Process.GetProcessById(DeviceModel("processId"));
            deviceModel.Kill();
            DomainRoom.WaitFor(() => DeviceModel("starts") == i + 1, "the device model comes again");
        }

        text.Expect("copied 6", CommandPatience);
        string answer = text.RunCommand("echo 3 > /proc/sys/vm/drop_caches; for i in 1 2 3 4 5 6; do cmp /dev/shm/a /root/b$i && echo same$i; done", CommandPatience);
        for (int i = 1; i <= 6; i++) Assert.Contains($"same{i}", answer, StringComparison.Ordinal);
    }

    private int DeviceModel(string field)
    {
        using JsonDocument list = JsonDocument.Parse(_room.Run("list", "-l", "web").Good().Output);
        return list.RootElement[0].TryGetProperty("deviceModel", out JsonElement model) ? model.GetProperty(field).GetInt32() : 0;
    }

    private static string FirstLetters(string path, int count)
    {
        byte[] bytes = new byte[count];
        using FileStream file = File.OpenRead(path);
        file.ReadExactly(bytes);
        return System.Text.Encoding.Latin1.GetString(bytes);
    }

    private static void LogIn(ConsoleText text)
    {
        text.Expect("debian login: ", BootPatience);
        text.SendLine("root");
        text.Expect("Password: ", CommandPatience);
        text.SendLine("vmm");
        text.Expect("root@debian:~# ", CommandPatience);
    }

    private static void WaitFor(ConsoleText text, string test)
    {
        string answer = text.RunCommand($"for i in $(seq 200); do if {test}; then echo it-is-so; break; fi; sleep 0.1; done", CommandPatience);
        Assert.Contains("it-is-so", answer, StringComparison.Ordinal);
    }
}
