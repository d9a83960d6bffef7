using System.Collections.Concurrent;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Control.Tests.Domains;

public class DomainEndTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void RenameRestart_GuestThatCrashes_StaysUnderAnotherNameAndAnotherComes()
    {
        using BlockingCollection<(DomainConfig Config, string? OldName)> spawned = [];
        RunningDomain? domain = null;
        using ManualResetEventSlim isMade = new();
        domain = new(a => a.ud2(), c => c with { OnCrash = DomainAction.RenameRestart }, new()
        {
            LeastLife = TimeSpan.Zero,
            Spawn = config =>
            {
                isMade.Wait(Patience);
                spawned.Add((config, domain!.Host.Folder.TryRead()?.Name));
            },
        });
        isMade.Set();
        using RunningDomain held = domain;

        Assert.True(spawned.TryTake(out (DomainConfig Config, string? OldName) other, Patience));

        Assert.Equal("tiny", other.Config.Name);
        Assert.Matches("^tiny-[0-9]{8}T[0-9]{6}Z$", other.OldName);
        DomainRecord kept = domain.Host.Folder.TryRead()!;
        Assert.Equal((DomainState.Ended, other.OldName), (kept.State, kept.Name));
        Assert.NotEqual(other.Config.Uuid, kept.Uuid);
        Assert.Equal(DomainAction.RenameRestart, domain.Host.Info.LastEnd!.Action);
    }

    [Fact]
    public async Task Reboot_GuestThatIsYoung_StartsAnewWithItsDevicesAndItsClients()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.Boots == 1, Patience));
        await client.Domain.AddDeviceAsync("rng", DomainClient.Words("id=dice"), default);
        Task<GuestEnd> wait = client.Domain.WaitAsync(default);

        await client.Domain.RebootAsync(default);

        GuestEnd end = await wait.WaitAsync(Patience);
        Assert.Equal((MachineEnd.Reset, DomainAction.Restart), (end.Kind, end.Action));
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.Boots == 2, Patience));
        DomainInfo info = await client.Domain.GetInfoAsync(default);
        Assert.Equal((DomainState.Running, MachineEnd.Reset), (info.State, info.LastEnd!.Kind));
        Assert.Equal("dice", Assert.Single(await client.Domain.GetDevicesAsync(default)).Id);
    }

    [Fact]
    public async Task Panic_GuestThatSaysSo_IsToldBeforeItsEnd()
    {
        using RunningDomain domain = new(a =>
        {
            a.mov(dx, 0x505);
            a.mov(al, 1);
            a.@out(dx, al);
            RunningDomain.Spin(a);
        }, c => c with { OnCrash = DomainAction.Preserve }, new() { IsPaused = true });
        using DomainClient client = new(domain.Host.Folder);
        using BlockingCollection<DomainEvent> events = [];
        client.EventRaised += events.Add;
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Folder.TryRead()?.State == DomainState.Paused, Patience));
        await client.Domain.SubscribeAsync(default);

        await client.Domain.UnpauseAsync(default);

        List<DomainEventKind> kinds = [];
        DomainEvent? last = null;
        while (kinds.LastOrDefault() != DomainEventKind.Ended && events.TryTake(out last, Patience)) kinds.Add(last.Kind);
        Assert.Equal([DomainEventKind.Running, DomainEventKind.Panicked, DomainEventKind.Ended], kinds.SkipWhile(k => k == DomainEventKind.Paused));
        Assert.Equal((MachineEnd.GuestPanic, DomainAction.Preserve), (last!.End!.Kind, last.End.Action));
    }

    [Fact]
    public async Task Destroy_SubscribedClient_HearsOfTheEndBeforeTheConnectionEnds()
    {
        RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);
        using BlockingCollection<DomainEvent> events = [];
        client.EventRaised += events.Add;
        await client.Domain.SubscribeAsync(default);
        Task<GuestEnd> wait = client.Domain.WaitAsync(default);

        await client.Domain.DestroyAsync(default);
        domain.WaitForEnd();
        domain.Dispose();

        Assert.Equal("destroyed", (await wait.WaitAsync(Patience)).Reason);
        Assert.Contains(events.GetConsumingEnumerable(new CancellationTokenSource(Patience).Token), e => e.Kind == DomainEventKind.Ended);
        await client.Gone.WaitAsync(Patience);
    }

    [Fact]
    public void Gone_DomainsThatEnded_AreRememberedWithTheirReasons()
    {
        string root = Directory.CreateTempSubdirectory("vmm-gone").FullName;
        DomainRegistry registry = new(root);
        for (int i = 0; i < 103; i++)
        {
            DomainFolder folder = registry.Create($"d{i}", Guid.NewGuid(), out Vmm.Host.LockFile claim);
            if (i == 101) folder.Write(folder.TryRead()! with { Reason = "the guest powered off" });
            // Of the last one nothing but the folder is left, as after a crash.
            if (i == 102) claim.Dispose();
            else registry.Remove(folder, claim);
        }

        IReadOnlyList<DomainRecord> gone = registry.Gone();

        Assert.Equal(100, gone.Count);
        Assert.Equal(["it was not started", "the guest powered off", "its process died"], gone.TakeLast(3).Select(r => r.Reason));
        Assert.Equal(("d3", "d102"), (gone[0].Name, gone[^1].Name));
        Assert.All(gone, r => Assert.NotNull(r.Gone));
        File.AppendAllText(Path.Combine(root, "history"), "nonsense\n");
        Assert.Equal(100, registry.Gone().Count);
        Directory.Delete(root, recursive: true);
    }
}
