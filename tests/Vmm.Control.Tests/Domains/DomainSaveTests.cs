using System.Collections.Concurrent;
using StreamJsonRpc;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine;
using Vmm.Machine.Snapshot;

namespace Vmm.Control.Tests.Domains;

/// <summary>Domains that are saved by their socket, and others that go on in their place.</summary>
public sealed class DomainSaveTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-save").FullName;

    private string Saved => Path.Combine(_folder, "saved");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Save_Domain_EndsAndGoesOnUnderItsNameWithItsUuid()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);
        ConcurrentQueue<DomainEvent> events = [];
        client.EventRaised += events.Enqueue;
        await client.Domain.SubscribeAsync(default);
        DomainInfo before = await client.Domain.GetInfoAsync(default);

        SaveInfo info = await client.Domain.SaveAsync(Saved);

        Assert.Equal(MachineEnd.Stopped, domain.WaitForEnd().End);
        Assert.Equal((ulong)new FileInfo(Saved).Length, info.SizeBytes);
        Assert.True(SpinWait.SpinUntil(() => events.Any(e => e is { Kind: DomainEventKind.Saving, Progress: > 0 and <= 1 }), TimeSpan.FromSeconds(10)), string.Join(' ', events));
        using SnapshotReader saved = SnapshotReader.Open(Saved);
        DomainConfig config = DomainHost.ConfigOf(saved);
        Assert.Equal((before.Name, before.Uuid), (config.Name, config.Uuid));
        using RunningDomain other = new(RunningDomain.Spin, _ => config, new DomainHostOptions { Saved = saved, IsPaused = true });
        using DomainClient again = new(other.Host.Folder);
        DomainInfo after = await again.Domain.GetInfoAsync(default);
        Assert.Equal((before.Name, before.Uuid, DomainState.Paused, 1), (after.Name, after.Uuid, after.State, after.Boots));
        Assert.True(after.UptimeSeconds >= before.UptimeSeconds);
        await again.Domain.UnpauseAsync(default);
    }

    [Theory]
    [InlineData(true, false, DomainState.Running)]
    [InlineData(false, true, DomainState.Paused)]
    public async Task Save_ThatIsToStay_Stays(bool leaveRunning, bool leavePaused, DomainState expected)
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);

        await client.Domain.SaveAsync(Saved, leaveRunning, leavePaused);

        Assert.Equal(expected, (await client.Domain.GetInfoAsync(default)).State);
        Assert.True(File.Exists(Saved));
    }

    [Fact]
    public async Task Save_ThatCannotBe_SaysWhyAndTheDomainGoesOn()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);

        RemoteRpcException nowhere = await Assert.ThrowsAnyAsync<RemoteRpcException>(() => client.Domain.SaveAsync(Path.Combine(_folder, "none", "saved"), leavePaused: true));
        RemoteRpcException both = await Assert.ThrowsAnyAsync<RemoteRpcException>(() => client.Domain.SaveAsync(Saved, leaveRunning: true, leavePaused: true));

        Assert.Equal(((int)RpcErrorCode.HostRefused, (int)RpcErrorCode.InvalidParameters), ((int)nowhere.ErrorCode!, (int)both.ErrorCode!));
        Assert.Equal(DomainState.Running, (await client.Domain.GetInfoAsync(default)).State);
        Assert.Empty(Directory.GetFiles(_folder));
    }
}
