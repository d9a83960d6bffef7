using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
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
            vmm_devices = [ 'console,stdio' ]
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
        _room.Run("trigger", "web", "nmi").Good();
        text.Expect("NMI received for unknown reason", CommandPatience);
        ABrokenDisk_TellsOfEachFailure(text);
        TheVirtioConsole_FollowsTheWindow(text);
        string banner = text.RunCommand("grep ' linux_banner$' /proc/kallsyms | cut -d' ' -f1", CommandPatience);
        _room.Run("dump-core", "web", _room.PathOf("core")).Good();
        // What a debugger does: it finds the kernel's words by their address.
        Assert.StartsWith("Linux version 6.1.0", TextAt(_room.PathOf("core"), ulong.Parse(banner, NumberStyles.HexNumber, CultureInfo.InvariantCulture)), StringComparison.Ordinal);

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
            int starts = DeviceModel("starts");
            using Process deviceModel = Process.GetProcessById(DeviceModel("processId"));
            deviceModel.Kill();
            DomainRoom.WaitFor(() => DeviceModel("starts") == starts + 1, "the device model comes again");
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

    // An image with a compressed cluster that is none: it cannot be read, and the rest can.
    private void ABrokenDisk_TellsOfEachFailure(ConsoleText text)
    {
        const int L2At = 4 << 16, TableAt = 40;
        const ulong Compressed = 1UL << 62;
        string image = _room.PathOf("broken.qcow2");
        _room.Run("image", "create", "-f", "qcow2", image, "64M").Good();
        using (FileStream file = File.Open(image, FileMode.Open))
        {
            byte[] number = new byte[sizeof(ulong)];
            file.Position = TableAt;
            file.ReadExactly(number);
            ulong l1 = BinaryPrimitives.ReadUInt64BigEndian(number);
            file.SetLength(L2At + (1 << 16));
            Put(file, (long)l1, 0x8000_0000_0000_0000 | L2At);
            Put(file, L2At, Compressed | L2At);
        }

        _room.Run("block-attach", "web", $"{image},qcow2,xvdc,ro").Good();
        WaitFor(text, "test -b /dev/vdb");
        text.RunCommand("dd if=/dev/vdb of=/dev/null bs=4k skip=2 count=1 iflag=direct; dd if=/dev/vdb of=/dev/null bs=64k skip=1 count=1 iflag=direct && echo the-rest-is-good", CommandPatience);
        DomainRoom.WaitFor(() => _room.Run("dmesg", "web").Good().Output.Contains("xvdc: read at sector 16 (4096 bytes): ", StringComparison.Ordinal), "the failure is in the log");
        // It is taken away while it is read; that ends with errors, and the kernel lets the rest go by itself.
        text.SendLine("while dd if=/dev/vdb of=/dev/null bs=64k skip=1 iflag=direct 2>/dev/null; do :; done; echo read-to-the-end");
        _room.Run("block-detach", "--force", "web", "xvdc").Good();
        Assert.DoesNotContain("xvdc", _room.Run("block-list", "web").Good().Output, StringComparison.Ordinal);
        text.Expect("read-to-the-end", CommandPatience);
        WaitFor(text, "! test -e /sys/block/vdb");
    }

    private void TheVirtioConsole_FollowsTheWindow(ConsoleText text)
    {
        using PtyProgram console = new(_room, 93, 31, Repository.Vmm, "console", "-t", "pv", "web");
        console.Text.Expect("Ctrl-] leaves", CommandPatience);
        WaitFor(text, "test \"$(stty size </dev/hvc0)\" = '31 93'");
        console.Resize(120, 40);
        WaitFor(text, "test \"$(stty size </dev/hvc0)\" = '40 120'");
        text.RunCommand("echo to-the-window >/dev/hvc0", CommandPatience);
        console.Text.Expect("to-the-window", CommandPatience);
        console.Type("\x1d");
        Assert.Equal(0, console.WaitForExit());
    }

    private static void Put(FileStream file, long at, ulong value)
    {
        byte[] number = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(number, value);
        file.Position = at;
        file.Write(number);
    }

    private static string TextAt(string core, ulong address)
    {
        using Process readelf = Process.Start(new ProcessStartInfo("readelf", ["-lW", core]) { RedirectStandardOutput = true })!;
        string headers = readelf.StandardOutput.ReadToEnd();
        readelf.WaitForExit();
        // "  LOAD  0x001000 0xffffffff81000000 0x0000000001000000 0x… 0x… RWE 0x1000": offset, virtual address, physical address, bytes in the file
        foreach (string[] words in headers.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(w => w is ["LOAD", ..]))
        {
            ulong[] numbers = [.. words.Skip(1).Take(4).Select(w => Convert.ToUInt64(w, 16))];
            if (address < numbers[1] || address - numbers[1] >= numbers[3]) continue;
            byte[] bytes = new byte[64];
            using FileStream file = File.OpenRead(core);
            file.Position = (long)(numbers[0] + (address - numbers[1]));
            file.ReadExactly(bytes);
            return System.Text.Encoding.Latin1.GetString(bytes);
        }

        return $"nothing is at {address:x} in\n{headers}";
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
