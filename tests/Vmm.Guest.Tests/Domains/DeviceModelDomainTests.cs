using System.Diagnostics;
using System.Text.Json;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>A domain's devices are served by a process of its own, which comes again when it is killed and goes when its domain does.</summary>
public sealed class DeviceModelDomainTests : IDisposable
{
    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    [ExecutableFact]
    public void Domain_ItsDeviceModel_ComesAgainAndGoesWithIt()
    {
        _room.Run("create", "-q", Config("a")).Good();
        (int process, int starts) = DeviceModelOf("a")!.Value;
        Assert.Equal((1, process), (starts, Recorded(1)));
        Assert.Throws<LinuxException>(() => BlockFile.Open(_room.PathOf("a.img"), readOnly: false).Dispose());

        Kill(process);

        DomainRoom.WaitFor(() => DeviceModelOf("a") is { Starts: 2 }, "the device model comes again");
        int successor = DeviceModelOf("a")!.Value.Process;
        DomainRoom.WaitFor(() => Recorded(1) == successor, "the other process is written down");
        Assert.Equal("r-----", _room.StateOf("a"));
        Assert.Contains($"the device model (process {process}) has ended with signal 9; it is started again", _room.Run("dmesg", "a").Good().Output, StringComparison.Ordinal);
        Assert.Contains(_room.PathOf("a.img"), _room.Run("block-list", "a").Good().Output, StringComparison.Ordinal);

        _room.Run("destroy", "a").Good();
        AssertGone(successor);
    }

    [ExecutableFact]
    public void Domain_Killed_TakesItsDeviceModelAlong()
    {
        _room.Run("create", "-q", Config("a")).Good();
        int process = DeviceModelOf("a")!.Value.Process;

        Kill(_room.ProcessOf("a"));

        Assert.Equal("", _room.StateOf("a"));
        AssertGone(process);
    }

    [ExecutableFact]
    public void Domain_KilledWithAStoppedDeviceModel_LeavesNeither()
    {
        _room.Run("create", "-q", Config("a")).Good();
        int process = DeviceModelOf("a")!.Value.Process;
        // One that cannot end by itself any more is ended by whoever looks.
        Signal(process, "STOP");

        Kill(_room.ProcessOf("a"));

        Assert.Equal("", _room.StateOf("a"));
        AssertGone(process);
    }

    [ExecutableFact]
    public void Domain_ThatHasItsDevicesInside_HasNoOtherProcess()
    {
        _room.Run("create", "-q", Config("a", "vmm_device_model = 'inside'")).Good();

        Assert.Null(DeviceModelOf("a"));
        Assert.Contains(_room.PathOf("a.img"), _room.Run("block-list", "a").Good().Output, StringComparison.Ordinal);
    }

    [ExecutableTheory]
    [InlineData("raw", false)]
    [InlineData("qcow2", false)]
    [InlineData("raw", true)]
    public void Create_ImageThatCannotBeUsed_IsRefusedInTheSameWordsAsInside(string format, bool isLocked)
    {
        File.WriteAllBytes(_room.PathOf("b.img"), new byte[1 << 20]);
        string disk = isLocked || format != "raw" ? _room.PathOf("b.img") : "/no/such/image";
        using BlockFile? locked = isLocked ? BlockFile.Open(disk, readOnly: false) : null;

        DomainRoom.Answer[] answers = [.. ((string[])["process", "inside"]).Select(where => _room.Run("create", "-q", _room.Config("b", $"disk = ['{disk},{format},xvda']\nvmm_device_model = '{where}'")))];

        Assert.Equal(answers[1], answers[0]);
        Assert.Equal(format == "raw" ? 3 : 2, answers[0].Code);
        Assert.Single(answers[0].Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private string Config(string name, string more = "")
    {
        File.WriteAllBytes(_room.PathOf($"{name}.img"), new byte[1 << 20]);
        return _room.Config(name, $"disk = ['{_room.PathOf($"{name}.img")},raw,xvda']\nvmm_devices = ['net,user']\n{more}");
    }

    private (int Process, int Starts)? DeviceModelOf(string domain)
    {
        using JsonDocument list = JsonDocument.Parse(_room.Run("list", "-l", domain).Good().Output);
        if (!list.RootElement[0].TryGetProperty("deviceModel", out JsonElement model)) return null;
        return (model.GetProperty("processId").GetInt32(), model.GetProperty("starts").GetInt32());
    }

    private int Recorded(int id)
    {
        using JsonDocument record = JsonDocument.Parse(File.ReadAllText(Path.Combine(_room.FolderOf(id), "domain.json")));
        return record.RootElement.GetProperty("deviceModel").GetProperty("id").GetInt32();
    }

    private void AssertGone(int process)
    {
        DomainRoom.WaitFor(() => !File.Exists($"/proc/{process}/stat") || File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal), "the device model is gone");
        BlockFile.Open(_room.PathOf("a.img"), readOnly: false).Dispose();
    }

    private static void Kill(int process)
    {
        using Process found = Process.GetProcessById(process);
        found.Kill();
        found.WaitForExit(TimeSpan.FromSeconds(20));
    }

    private static void Signal(int process, string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", $"{process}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }
}
