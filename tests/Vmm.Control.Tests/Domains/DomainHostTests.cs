using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Control.Tests.Domains;

public class DomainHostTests
{
    [Fact]
    public async Task Info_RunningDomain_SaysWhatItIs()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Registry.Find("tiny"));

        DomainInfo info = await client.Domain.GetInfoAsync(default);

        Assert.Equal((1, "tiny", DomainState.Running, "software", 1, 16UL << 20), (info.Id, info.Name, info.State, info.Cpu, info.Vcpus, info.MemoryBytes));
    }

    [Fact]
    public async Task Pause_RunningDomain_StopsItsTimeUntilUnpause()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);

        await client.Domain.PauseAsync(default);
        DomainInfo before = await client.Domain.GetInfoAsync(default);
        await Task.Delay(50);
        DomainInfo after = await client.Domain.GetInfoAsync(default);
        await client.Domain.UnpauseAsync(default);

        Assert.Equal((DomainState.Paused, before.UptimeSeconds), (after.State, after.UptimeSeconds));
        Assert.Equal(DomainState.Running, (await client.Domain.GetInfoAsync(default)).State);
    }

    [Fact]
    public async Task Destroy_RunningDomain_LeavesNothing()
    {
        RunningDomain domain = new(RunningDomain.Spin);
        string folder = domain.Host.Folder.Path;
        using (DomainClient client = new(domain.Host.Folder)) await client.Domain.DestroyAsync(default);

        Assert.Equal(MachineEnd.Stopped, domain.WaitForEnd().End);
        Assert.Equal(DomainState.Ended, domain.Host.Folder.TryRead()!.State);
        domain.Dispose();
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task Rename_FreeName_IsFoundByIt()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);

        await client.Domain.RenameAsync("other", default);

        Assert.Equal("other", (await client.Domain.GetInfoAsync(default)).Name);
        Assert.Equal(1, domain.Registry.Find("other").Id);
    }

    [Fact]
    public void Run_GuestThatResetsAtOnce_IsNotStartedInCircles()
    {
        using RunningDomain domain = new(RunningDomain.Reset);

        Assert.Equal(MachineEnd.Reset, domain.WaitForEnd().End);
        Assert.Contains(domain.Log, line => line.Contains("runs in circles", StringComparison.Ordinal));
    }

    [Fact]
    public void Run_GuestThatResetsAfterItsLeastLife_IsStartedAnew()
    {
        using RunningDomain domain = new(RunningDomain.Reset, options: new() { LeastLife = TimeSpan.Zero });

        Assert.True(SpinWait.SpinUntil(() => domain.Log.Count(line => line == "the guest reset the machine") >= 3, TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Run_GuestThatCrashes_IsPreservedWhenItIsToBe()
    {
        using RunningDomain domain = new(a => a.ud2(), c => c with { OnCrash = DomainAction.Preserve });
        using DomainClient client = new(domain.Host.Folder);
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Folder.TryRead()?.State == DomainState.Ended, TimeSpan.FromSeconds(60)));

        Assert.Equal(DomainState.Ended, (await client.Domain.GetInfoAsync(default)).State);
        StreamJsonRpc.RemoteInvocationException e = await Assert.ThrowsAsync<StreamJsonRpc.RemoteInvocationException>(() => client.Domain.PauseAsync(default));
        Assert.Equal((int)RpcErrorCode.WrongState, e.ErrorCode);
        await client.Domain.DestroyAsync(default);
        Assert.Equal(MachineEnd.TripleFault, domain.WaitForEnd().End);
    }

    [Fact]
    public void Constructor_KernelThatIsNone_LeavesNothing()
    {
        string folder = Directory.CreateTempSubdirectory("vmm-domain").FullName;
        DomainRegistry registry = new(Path.Combine(folder, "run"));
        DomainConfig config = new() { Name = "x", Uuid = Guid.NewGuid(), Machine = new() { Boot = new() { Kernel = "/no/such/kernel" } } };

        Assert.ThrowsAny<Exception>(() => new DomainHost(config, registry, _ => { }));

        Assert.Empty(registry.List());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Console_Client_SeesWhatWasWrittenBefore()
    {
        using RunningDomain domain = new(a =>
        {
            a.mov(dx, 0x3f8);
            a.mov(al, (sbyte)'k');
            a.@out(dx, al);
            RunningDomain.Spin(a);
        });
        using System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0);
        await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(domain.Host.Folder.Console));

        byte[] one = new byte[1];
        Assert.Equal(1, await socket.ReceiveAsync(one));
        Assert.Equal((byte)'k', one[0]);
    }
}
