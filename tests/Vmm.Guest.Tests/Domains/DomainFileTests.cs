using System.Text.Json;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>Files of domains: the examples, clones, and those that are started with the host.</summary>
public sealed class DomainFileTests : IDisposable
{
    private const int BadArguments = 2, Failed = 8;

    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    public static TheoryData<string> Examples() => [.. Directory.GetFiles(Path.Combine(Repository.Root, "examples", "xen")).Select(f => Path.GetFileName(f))];

    [ExecutableTheory]
    [MemberData(nameof(Examples))]
    public void Create_Example_IsUnderstood(string name)
    {
        DomainRoom.Answer answer = _room.Run("create", "-n", Path.Combine(Repository.Root, "examples", "xen", name)).Good();

        using JsonDocument config = JsonDocument.Parse(answer.Output);
        Assert.NotEqual("", config.RootElement.GetProperty("name").GetString());
        Assert.DoesNotContain("there is no key", answer.Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Clone_Copy_HasItsOwnNameAndDisks()
    {
        byte[] content = [.. Enumerable.Range(0, 1 << 20).Select(i => (byte)(i / 512))];
        File.WriteAllBytes(_room.PathOf("a.img"), content);
        File.WriteAllBytes(_room.PathOf("shared.img"), content);
        string source = _room.Config("a", $"# kept\ndisk=['{_room.PathOf("a.img")},raw,xvda,rw', # gone\n '{_room.PathOf("shared.img")},raw,xvdb,ro']\nvif=['mac=00:16:3e:00:00:11,rate=1MB/s']");

        _room.Run("clone", source, "--name", "b").Good();

        Assert.Equal(content, File.ReadAllBytes(_room.PathOf("b.img")));
        string text = File.ReadAllText(_room.PathOf("b.cfg"));
        Assert.Contains("# kept\n", text, StringComparison.Ordinal);
        using JsonDocument config = JsonDocument.Parse(_room.Run("create", "-n", _room.PathOf("b.cfg")).Good().Output);
        JsonElement machine = config.RootElement.GetProperty("machine");
        Assert.Equal("b", config.RootElement.GetProperty("name").GetString());
        Assert.Equal([_room.PathOf("b.img"), _room.PathOf("shared.img")], machine.GetProperty("disks").EnumerateArray().Select(d => d.GetProperty("path").GetString()));
        Assert.NotEqual("00:16:3e:00:00:11", machine.GetProperty("nets")[0].GetProperty("mac").GetString());
        Assert.Equal(1_000_000, machine.GetProperty("nets")[0].GetProperty("sendLimits").GetProperty("bytes").GetProperty("perSecond").GetInt32());
        _room.Run("create", "-q", source).Good();
        _room.Run("create", "-q", _room.PathOf("b.cfg")).Good();
        Assert.Equal(4, _room.Run("list").Good().Lines.Length);
    }

    [ExecutableFact]
    public void Clone_Overlay_ShowsTheDiskBelow()
    {
        File.WriteAllBytes(_room.PathOf("base.img"), [.. Enumerable.Repeat((byte)7, 1 << 20)]);
        string source = _room.Config("a", $"disk=['{_room.PathOf("base.img")},raw,xvda,rw']");

        _room.Run("clone", source, "--name", "b", "--disk", "overlay").Good();

        string overlay = _room.PathOf("b-xvda.qcow2");
        _room.Run("image", "compare", "--backing", "-f", "raw", "-F", "qcow2", _room.PathOf("base.img"), overlay).Good();
        _room.Run("create", "-q", _room.PathOf("b.cfg")).Good();
        // A second time the files are there, and a disk in use cannot be cloned.
        Assert.Equal(BadArguments, _room.Run("clone", source, "--name", "b", "--disk", "overlay").Code);
        Assert.Equal(Failed, _room.Run("clone", _room.PathOf("b.cfg"), "--name", "c").Code);
        Assert.False(File.Exists(_room.PathOf("c.cfg")));
    }

    [ExecutableFact]
    public void Autostart_Folder_StartsStopsAndTells()
    {
        string folder = Directory.CreateDirectory(_room.PathOf("auto")).FullName;
        foreach (string name in (string[])["b", "a"]) File.Copy(_room.Config(name), Path.Combine(folder, $"{name}.cfg"));
        File.WriteAllText(Path.Combine(folder, "c.cfg"), "name = 'c'\n");
        File.WriteAllText(Path.Combine(folder, "d.cfg~"), "name = 'd'\n");
        _room.Run("create", "-q", _room.PathOf("b.cfg")).Good();

        DomainRoom.Answer started = _room.Run("autostart", "start", "--folder", folder);
        DomainRoom.Answer status = _room.Run("autostart", "status", "--folder", folder);

        Assert.Equal((Failed, Failed), (started.Code, status.Code));
        Assert.Contains("'b' runs already", started.Errors, StringComparison.Ordinal);
        Assert.Contains("c.cfg:1:1: a kernel is needed", started.Errors, StringComparison.Ordinal);
        Assert.Equal(["a running, id 2", "b running, id 1"], status.Lines.Take(2).Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(w => !w.EndsWith(".cfg", StringComparison.Ordinal)))));
        Assert.Contains("cannot be started", status.Lines[2], StringComparison.Ordinal);
        _room.Run("create", "-q", _room.Config("other")).Good();
        _room.Run("autostart", "stop", "--folder", folder, "--max-wait", "1").Good();
        Assert.Equal(("", "", "r-----"), (_room.StateOf("a"), _room.StateOf("b"), _room.StateOf("other")));
    }

    [Fact]
    public void Units_OfSystemd_CallVerbsThatAreThere()
    {
        string[] lines = [.. Directory.GetFiles(Path.Combine(Repository.Root, "examples", "systemd")).SelectMany(File.ReadLines).Where(l => l.StartsWith("Exec", StringComparison.Ordinal))];

        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.Matches(@"^Exec(Start|Stop)=/usr/local/bin/vmm (autostart (start|stop)|create --foreground|shutdown --timeout)", line));
    }
}
