using System.Collections.Concurrent;
using Iced.Intel;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Storage;
using static Iced.Intel.AssemblerRegisters;
using static Vmm.Guest.Tests.LifeCycle.LifeCycleTests;

namespace Vmm.Guest.Tests.LifeCycle;

/// <summary>Devices that are added, changed and removed through the machine, with guests that drive the hot-plug controller themselves.</summary>
public sealed class DeviceTests : IDisposable
{
    private const int PowerButton = 1 << 8;
    private const ushort Pm1Status = 0x600, Arrived = 0x640, Leaving = 0x644, Eject = 0x648;

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-devices").FullName;
    private readonly ConcurrentQueue<string> _events = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void AddAndRemove_GuestEjects_ImageIsFreeAgain()
    {
        using RunningMachine machine = Start(EjectWhatIsAsked);
        DiskConfig disk = NewDisk("data");
        machine.Machine.AddDevice(disk);
        machine.WaitForOutput("+");
        Assert.Equal([new DeviceInfo(disk, 1, false)], machine.Machine.Devices);
        Assert.Throws<LinuxException>(() => DiskImages.Open(disk.Path, ImageFormat.Raw, new ImageOpenOptions()).Dispose());
        machine.Machine.RemoveDevice("data");
        WaitForEvents("+data", "-data");
        Assert.Empty(machine.Machine.Devices);
        DiskImages.Open(disk.Path, ImageFormat.Raw, new ImageOpenOptions()).Dispose();
    }

    [Fact]
    public void Add_ThirtyTwice_SlotsAreUsedAgain()
    {
        using RunningMachine machine = Start(EjectWhatIsAsked);
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < 31; i++) machine.Machine.AddDevice(new RngConfig { Id = $"rng{i}" });
            Assert.Contains("31 slots", Assert.Throws<DeviceException>(() => machine.Machine.AddDevice(new RngConfig { Id = "more" })).Message, StringComparison.Ordinal);
            for (int i = 0; i < 31; i++) machine.Machine.RemoveDevice($"rng{i}");
            Assert.True(SpinWait.SpinUntil(() => machine.Machine.Devices.Count == 0, TimeSpan.FromSeconds(30)));
        }
    }

    [Fact]
    public void Remove_GuestIgnoresIt_PendingUntilTheReset()
    {
        using RunningMachine machine = Start(code =>
        {
            Print(code, "go");
            Label wait = code.CreateLabel();
            code.mov(edx, Pm1Status);
            code.Label(ref wait);
            code.@in(ax, dx);
            code.test(eax, PowerButton);
            code.je(wait);
            Reset(code);
        }, config => config with { OnReboot = RebootPolicy.Restart, Rngs = [new() { Id = "a" }, new() { Id = "b" }] });
        machine.WaitForOutput("go");
        machine.Machine.AddDevice(new RngConfig { Id = "c" });
        machine.Machine.RemoveDevice("a");
        machine.Machine.RemoveDevice("a");
        Assert.Equal([("a", true), ("b", false), ("c", false)], machine.Machine.Devices.Select(d => (d.Config.Id, d.IsLeaving)));
        machine.Machine.PressPowerButton();
        WaitForEvents("+c", "-a");
        Assert.Equal([("b", 2), ("c", 3)], machine.Machine.Devices.Select(d => (d.Config.Id, d.Slot)));
        machine.WaitForOutput("gogo");
    }

    [Fact]
    public void Eject_WithoutBeingAsked_RemovesTheDevice()
    {
        using RunningMachine machine = Start(code =>
        {
            code.mov(edx, Eject);
            code.mov(eax, -1);
            code.@out(dx, eax);
            Forever(code);
        }, config => config with { Rngs = [new() { Id = "a" }, new() { Id = "b" }] });
        WaitForEvents("-a", "-b");
        Assert.Empty(machine.Machine.Devices);
    }

    [Fact]
    public void Refused_OneLineAndNothingChanges()
    {
        using RunningMachine machine = Start(Forever, config => config with { Rngs = [new() { Id = "rng" }] });
        GuestMachine target = machine.Machine;
        Assert.Contains("'rng' is another device's id", Assert.Throws<DeviceException>(() => target.AddDevice(new RngConfig { Id = "rng" })).Message, StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => target.AddDevice(new RngConfig { Id = "not plain" }));
        Assert.Throws<DeviceException>(() => target.AddDevice(new DiskConfig { Id = "d", Path = "x", Format = "floppy" }));
        Assert.Throws<LinuxException>(() => target.AddDevice(new DiskConfig { Id = "d", Path = Path.Combine(_directory, "absent"), Format = "raw" }));
        Assert.Throws<DeviceException>(() => target.RemoveDevice("d"));
        Assert.Throws<DeviceException>(() => target.SetDiskLimits("rng", default));
        Assert.Throws<DeviceException>(() => target.SetDiskLimits("d", default));
        Assert.Single(target.Devices);
        target.Stop("enough");
        machine.WaitForEnd();
        Assert.Contains("has ended", Assert.Throws<DeviceException>(() => target.AddDevice(new RngConfig { Id = "x" })).Message, StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => target.RemoveDevice("rng"));
        Assert.Empty(_events);
    }

    [Fact]
    public void SetDiskLimits_ImpossibleAndPossible_JudgedAndKept()
    {
        using RunningMachine machine = Start(Forever);
        machine.Machine.AddDevice(NewDisk("data"));
        machine.Machine.SetDiskLimits("data", new(new TokenRate(1000), default));
        Assert.Throws<DeviceException>(() => machine.Machine.SetDiskLimits("data", new(new TokenRate(0, 5), default)));
    }

    [Fact]
    public void PressPowerButton_GuestPollsTheEvent_SeesIt()
    {
        using RunningMachine machine = Start(code =>
        {
            Print(code, "go");
            Label wait = code.CreateLabel();
            code.mov(edx, Pm1Status);
            code.Label(ref wait);
            code.@in(ax, dx);
            code.test(eax, PowerButton);
            code.je(wait);
            PowerOff(code);
        });
        machine.WaitForOutput("go");
        machine.Machine.PressPowerButton();
        Assert.Equal(MachineEnd.PowerOff, machine.WaitForEnd().End);
        machine.Machine.PressPowerButton();
    }

    /// <summary>Writes "+" when a device arrives, and ejects each that it is asked to let go.</summary>
    private static void EjectWhatIsAsked(Assembler code)
    {
        Label again = code.CreateLabel(), noArrival = code.CreateLabel();
        code.Label(ref again);
        code.mov(edx, Arrived);
        code.@in(eax, dx);
        code.test(eax, eax);
        code.je(noArrival);
        code.@out(dx, eax);
        Print(code, "+");
        code.Label(ref noArrival);
        code.mov(edx, Leaving);
        code.@in(eax, dx);
        code.test(eax, eax);
        code.je(again);
        code.@out(dx, eax);
        code.mov(edx, Eject);
        code.@out(dx, eax);
        code.jmp(again);
    }

    private RunningMachine Start(Action<Assembler> code, Func<MachineConfig, MachineConfig>? change = null)
        => new(Accelerator.Software, code, change, machine =>
        {
            machine.DeviceAdded += id => _events.Enqueue($"+{id}");
            machine.DeviceRemoved += id => _events.Enqueue($"-{id}");
        });

    private void WaitForEvents(params string[] events)
        => Assert.True(SpinWait.SpinUntil(() => _events.Order().SequenceEqual(events.Order()), TimeSpan.FromSeconds(60)), string.Join(' ', _events));

    private DiskConfig NewDisk(string id)
    {
        string path = Path.Combine(_directory, $"{id}.img");
        File.WriteAllBytes(path, new byte[1 << 20]);
        return new DiskConfig { Id = id, Path = path, Format = "raw" };
    }
}
