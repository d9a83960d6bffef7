using System.Collections.Concurrent;
using System.Text.Json;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Control.Tests.Domains;

public sealed class DomainCommandsTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-commands").FullName;
    private readonly RunningDomain _domain;
    private readonly DomainClient _client;

    public DomainCommandsTests()
    {
        _domain = new(RunningDomain.Spin, c => c with
        {
            Machine = c.Machine with { Vcpus = 2, Balloons = [new BalloonConfig { Id = "balloon0" }], Nets = [NetConfig.Parse(0, "user", [])] },
        });
        _client = new(_domain.Host.Folder);
        Assert.True(SpinWait.SpinUntil(() => _domain.Host.Info.Boots == 1, Patience));
    }

    private IDomainRpc Rpc => _client.Domain;

    public void Dispose()
    {
        _client.Dispose();
        _domain.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Vcpus_RunningDomain_AreItsThreads()
    {
        IReadOnlyList<VcpuInfo> vcpus = await Rpc.GetVcpusAsync(default);

        Assert.Equal([0, 1], vcpus.Select(v => v.Index));
        Assert.Equal(2, vcpus.Select(v => v.ThreadId).Distinct().Count());
        Assert.All(vcpus, v => Assert.NotEmpty(v.Affinity));
    }

    [Fact]
    public async Task PinVcpu_OneAndAll_MovesTheThreads()
    {
        int cpu = (await Rpc.GetVcpusAsync(default))[0].Affinity[^1];

        await Rpc.PinVcpuAsync([cpu], 1, default);
        Assert.Equal([cpu], (await Rpc.GetVcpusAsync(default))[1].Affinity);

        await Rpc.PinVcpuAsync([cpu]);
        Assert.All(await Rpc.GetVcpusAsync(default), v => Assert.Equal([cpu], v.Affinity));
    }

    [Theory]
    [InlineData("[0],7", RpcErrorCode.NotFound)]
    [InlineData("[],0", RpcErrorCode.InvalidParameters)]
    [InlineData("[99999],0", RpcErrorCode.InvalidParameters)]
    [InlineData("[-1]", RpcErrorCode.InvalidParameters)]
    [InlineData("[8000],0", RpcErrorCode.HostRefused)]
    public void PinVcpu_WhatCannotBe_IsRefused(string parameters, RpcErrorCode expected) => AssertRefused("domain.pinVcpu", $"[{parameters}]", expected);

    [Fact]
    public async Task SetMemory_WithABalloon_SetsItsTarget()
    {
        await Rpc.SetMemoryAsync(12 << 20, default);

        Assert.Equal(4UL << 20, (await Rpc.GetBalloonAsync(default)).TargetBytes);
    }

    [Fact]
    public async Task SetMaximumMemory_LessThanMade_BoundsSetMemory()
    {
        await Rpc.SetMaximumMemoryAsync(12 << 20, default);

        Assert.Equal(12UL << 20, (await Rpc.GetInfoAsync(default)).MaximumMemoryBytes);
        AssertRefused("domain.setMemory", "[13000000]", RpcErrorCode.InvalidParameters);
        await Rpc.SetMemoryAsync(8 << 20, default);
        Assert.Equal(8UL << 20, (await Rpc.GetBalloonAsync(default)).TargetBytes);
    }

    [Fact]
    public async Task Nmi_GuestWithoutAHandler_EndsIt()
    {
        Task<GuestEnd> end = Rpc.WaitAsync(default);

        await Rpc.SendNmiAsync();

        Assert.Equal(MachineEnd.TripleFault, (await end.WaitAsync(Patience)).Kind);
    }

    [Fact]
    public async Task RemoveDevice_ByForce_IsGoneAtOnce()
    {
        RemovalAnswer answer = await Rpc.RemoveDeviceAsync("net0", 0, force: true);

        Assert.True(answer.IsGone);
        Assert.Empty(await Rpc.GetNetsAsync(default));
    }

    [Fact]
    public async Task Statistics_ThroughAReset_GoOnFromWhenTheDeviceCame()
    {
        DateTimeOffset since = Assert.Single(await Rpc.GetNetsAsync(default)).StatisticsSince;
        Assert.InRange(since, (await Rpc.GetInfoAsync(default)).Created - TimeSpan.FromSeconds(1), DateTimeOffset.UtcNow);

        await Rpc.RebootAsync(default);

        Assert.True(SpinWait.SpinUntil(() => _domain.Host.Info.Boots == 2, Patience));
        Assert.Equal(since, Assert.Single(await Rpc.GetNetsAsync(default)).StatisticsSince);
    }

    [Fact]
    public async Task DiskError_OfARequest_IsToldWithAllThatIsKnown()
    {
        using BlockingCollection<DomainEvent> events = [];
        _client.EventRaised += events.Add;
        await Rpc.SubscribeAsync(default);

        _domain.Host.Events.Raise(DomainEventKind.DiskError, "write: no", "xvda", disk: new DiskFailure(Core.Backends.BlockOperation.WriteZeroes, 1 << 20, 512, 28, 7));

        Assert.True(events.TryTake(out DomainEvent? told, Patience));
        Assert.Equal((DomainEventKind.DiskError, "xvda", new DiskFailure(Core.Backends.BlockOperation.WriteZeroes, 1 << 20, 512, 28, 7)), (told.Kind, told.Device, told.Disk));
    }

    [Theory]
    [InlineData("domain.setMemory", "[99999999]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[4096]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[\"1\"]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[-1]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[1.5]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMemory", "[8388608,5]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.log", "[0]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.rename", "[\"a b\"]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.rename", "[null]", RpcErrorCode.InvalidParameters)]
    [InlineData("disk.grow", "[\"net0\",512]", RpcErrorCode.NotFound)]
    [InlineData("disk.grow", "[\"nothing\",512]", RpcErrorCode.NotFound)]
    [InlineData("net.setLink", "[\"nothing\",true]", RpcErrorCode.NotFound)]
    [InlineData("net.setLink", "[\"balloon0\",true]", RpcErrorCode.NotFound)]
    [InlineData("net.setLink", "[\"net0\",1]", RpcErrorCode.InvalidParameters)]
    [InlineData("net.startCapture", "[\"net0\",\"relative\"]", RpcErrorCode.InvalidParameters)]
    [InlineData("net.startCapture", "[\"net0\",\"/nowhere/x\"]", RpcErrorCode.HostRefused)]
    [InlineData("net.startCapture", "[\"net0\",\"/tmp/x\",0]", RpcErrorCode.InvalidParameters)]
    [InlineData("disk.setLimits", "[\"net0\",{\"bytesPerSec\":5}]", RpcErrorCode.InvalidParameters)]
    [InlineData("disk.setLimits", "[\"net0\",{\"bytesPerSecond\":null}]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.remove", "[null]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.remove", "[\"nothing\"]", RpcErrorCode.NotFound)]
    [InlineData("device.remove", "[\"net0\",-1]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disc\",\"path=/x,format=raw\"]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disk\",\"path=/x\"]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disk\",5]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disk\",{\"path\":{}}]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disk\",{\"pa,th\":\"\"}]", RpcErrorCode.InvalidParameters)]
    [InlineData("device.add", "[\"disk\",\"path=/no/such/file,format=raw\"]", RpcErrorCode.HostRefused)]
    [InlineData("device.add", "[\"balloon\",\"\"]", RpcErrorCode.WrongState)]
    [InlineData("domain.setMaximumMemory", "[99999999]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.setMaximumMemory", "[1]", RpcErrorCode.InvalidParameters)]
    [InlineData("domain.nmi", "[2]", RpcErrorCode.NotFound)]
    [InlineData("domain.nmi", "[-1]", RpcErrorCode.NotFound)]
    public void Request_ThatCannotBe_IsRefusedWithItsCode(string method, string parameters, RpcErrorCode expected) => AssertRefused(method, parameters, expected);

    [Fact]
    public async Task AddDevice_WordsAndObject_AreTheSame()
    {
        string image = Path.Combine(_folder, "a,b.img");
        File.WriteAllBytes(image, new byte[1 << 20]);

        DeviceEntry byWords = await Rpc.AddDeviceAsync("disk", DomainClient.Words($"path={image.Replace(",", ",,", StringComparison.Ordinal)},format=raw,readonly=on,iops=50"), default);
        DeviceEntry byObject = await Rpc.AddDeviceAsync("disk", JsonDocument.Parse($$"""{"path":"{{image}}","format":"raw","readonly":true,"iops":50}""").RootElement, default);

        IReadOnlyList<DiskEntry> disks = await Rpc.GetDisksAsync(default);
        Assert.Equal(("disk0", "disk1"), (byWords.Id, byObject.Id));
        Assert.Equal(disks[0] with { Id = "disk1", Slot = disks[1].Slot, StatisticsSince = disks[1].StatisticsSince }, disks[1]);
        Assert.Equal((image, "raw", true, 50UL), (disks[0].Path, disks[0].Format, disks[0].IsReadOnly, disks[0].Limits!.OperationsPerSecond));
    }

    [Fact]
    public async Task Networks_ChangedAtRunTime_AreListedAsTheyAre()
    {
        string capture = Path.Combine(_folder, "x.pcap");

        await Rpc.SetNetLinkAsync("net0", false, default);
        await Rpc.SetNetLimitsAsync("net0", new LimitSettings(1000, 500), new LimitSettings(0, 0, 10), default);
        await Rpc.StartCaptureAsync("net0", capture);

        NetEntry net = Assert.Single(await Rpc.GetNetsAsync(default));
        Assert.Equal(("user", false, capture), (net.Link, net.IsLinkUp, net.Capture));
        Assert.Equal((new LimitSettings(1000, 500), new LimitSettings(0, 0, 10)), (net.ReceiveLimits, net.SendLimits));
        await Rpc.StopCaptureAsync("net0", default);
        Assert.Null((await Rpc.GetNetsAsync(default))[0].Capture);
        Assert.True(File.Exists(capture));
    }

    [Fact]
    public async Task Config_AfterADeviceCame_HasItAndCanBeReadAgain()
    {
        await Rpc.AddDeviceAsync("rng", DomainClient.Words("id=dice"), default);

        JsonElement config = await Rpc.GetConfigAsync(default);

        DomainConfig read = DomainConfig.FromJson(config);
        Assert.Equal(("tiny", "dice", 2), (read.Name, Assert.Single(read.Machine.Rngs).Id, read.Machine.Vcpus));
        Assert.IsType<UserLinkConfig>(Assert.Single(read.Machine.Nets).Link);
    }

    [Fact]
    public async Task Subscribe_WhatHappens_IsToldInOrder()
    {
        using BlockingCollection<DomainEvent> events = [];
        _client.EventRaised += events.Add;
        await Rpc.SubscribeAsync(default);

        await Rpc.PauseAsync(default);
        await Rpc.UnpauseAsync(default);
        await Rpc.AddDeviceAsync("rng", DomainClient.Words("id=dice"), default);
        await Rpc.RenameAsync("other", default);
        await Rpc.UnsubscribeAsync(default);
        await Rpc.PauseAsync(default);

        DomainEvent[] got = [.. Enumerable.Range(0, 4).Select(_ => events.TryTake(out DomainEvent? one, Patience) ? one : throw new TimeoutException())];
        Assert.Equal([DomainEventKind.Paused, DomainEventKind.Running, DomainEventKind.DeviceAdded, DomainEventKind.Renamed], got.Select(e => e.Kind));
        Assert.Equal(Enumerable.Range(0, 4).Select(i => got[0].Sequence + i), got.Select(e => e.Sequence));
        Assert.Equal("dice", got[2].Device);
        Assert.Empty(events);
    }

    [Fact]
    public async Task Wait_DomainThatIsDestroyed_TellsItsEnd()
    {
        Task<GuestEnd> wait = Rpc.WaitAsync(default);

        await Rpc.DestroyAsync(default);

        GuestEnd end = await wait.WaitAsync(Patience);
        Assert.Equal((MachineEnd.Stopped, DomainAction.Destroy, "destroyed"), (end.Kind, end.Action, end.Reason));
    }

    [Fact]
    public async Task Shutdown_GuestThatDoesNotListen_SaysSo() => Assert.False((await Rpc.ShutdownAsync(default)).IsListening);

    [Fact]
    public async Task RemoveDevice_GuestThatDoesNotAnswer_IsAskedOnly()
    {
        Assert.False((await Rpc.RemoveDeviceAsync("net0", 0.05, force: false)).IsGone);
        Assert.True(Assert.Single(await Rpc.GetDevicesAsync(default), d => d.Id == "net0").IsLeaving);
    }

    private void AssertRefused(string method, string parameters, RpcErrorCode expected)
    {
        JsonElement answer = JsonDocument.Parse(_domain.Say($$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}","params":{{parameters}}}""" + "\n")).RootElement;

        JsonElement error = answer.GetProperty("error");
        Assert.True((int)expected == error.GetProperty("code").GetInt32(), answer.ToString());
        Assert.NotEqual("", error.GetProperty("message").GetString());
    }
}
