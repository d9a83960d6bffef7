using System.Collections.Concurrent;
using System.Diagnostics;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Control.Tests.Domains;

/// <summary>A domain whose devices another process serves answers as one that serves them itself.</summary>
public sealed class ServedDomainTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-served").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ExecutableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Devices_ChangedAtRunTime_AreListedAsTheyAre(bool isServed)
    {
        using RunningDomain domain = Start(isServed);
        using DomainClient client = new(domain.Host.Folder);
        IDomainRpc rpc = client.Domain;
        string capture = Path.Combine(_folder, "x.pcap"), image = Image("b.img");

        await rpc.AddDeviceAsync("disk", DomainClient.Words($"path={image},format=raw,id=more"), default);
        await rpc.SetDiskLimitsAsync("more", new LimitSettings(0, 0, 50), default);
        await rpc.GrowDiskAsync("more", 2 << 20, default);
        await rpc.SetNetLinkAsync("net0", false, default);
        await rpc.SetNetLimitsAsync("net0", new LimitSettings(1000, 500), new LimitSettings(0, 0, 10), default);
        await rpc.StartCaptureAsync("net0", capture);

        DiskEntry disk = Assert.Single(await rpc.GetDisksAsync(default), d => d.Id == "more");
        NetEntry net = Assert.Single(await rpc.GetNetsAsync(default));
        Assert.Equal((image, "raw", 2UL << 20, new LimitSettings(0, 0, 50)), (disk.Path, disk.Format, disk.SizeBytes, disk.Limits));
        Assert.Equal((0UL, 0UL), (disk.Statistics!.Value.Reads, net.Statistics!.Value.SentFrames));
        Assert.Equal(("user", false, capture, "52:54:00:01:02:03"), (net.Link, net.IsLinkUp, net.Capture, net.Mac));
        Assert.Equal((new LimitSettings(1000, 500), new LimitSettings(0, 0, 10)), (net.ReceiveLimits, net.SendLimits));
        Assert.True(File.Exists(capture));
        Assert.Equal(isServed, (await rpc.GetInfoAsync(default)).DeviceModel is not null);
        Assert.Equal(isServed, DomainConfig.FromJson(await rpc.GetConfigAsync(default)).Machine.DeviceModel);
    }

    [ExecutableFact]
    public async Task DeviceModel_Killed_IsToldAsAnEventAndIsThereAgain()
    {
        using RunningDomain domain = Start(isServed: true);
        using DomainClient client = new(domain.Host.Folder);
        using BlockingCollection<DomainEvent> events = [];
        client.EventRaised += events.Add;
        await client.Domain.SubscribeAsync(default);
        DeviceModelEntry before = (await client.Domain.GetInfoAsync(default)).DeviceModel!;

        using (Process process = Process.GetProcessById(before.ProcessId)) process.Kill();

        DomainEvent told = WaitFor(events, DomainEventKind.DeviceModelStarted);
        DeviceModelEntry after = (await client.Domain.GetInfoAsync(default)).DeviceModel!;
        Assert.Equal(2, after.Starts);
        Assert.Contains($"{after.ProcessId}", told.Message, StringComparison.Ordinal);
        Assert.Equal(1UL << 20, Assert.Single(await client.Domain.GetDisksAsync(default)).SizeBytes);
    }

    private static DomainEvent WaitFor(BlockingCollection<DomainEvent> events, DomainEventKind kind)
    {
        while (true)
        {
            Assert.True(events.TryTake(out DomainEvent? one, Patience), $"{kind} is not told");
            if (one.Kind == kind) return one;
        }
    }

    private RunningDomain Start(bool isServed) => new(RunningDomain.Spin, c => c with
    {
        Machine = c.Machine with { DeviceModel = isServed, Disks = [DiskConfig.Parse(0, $"path={Image("a.img")},format=raw", [])], Nets = [NetConfig.Parse(0, "user,mac=52:54:00:01:02:03", [])] },
    }, new DomainHostOptions { Executable = Repository.Vmm });

    private string Image(string name)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, new byte[1 << 20]);
        return path;
    }
}
