using System.Runtime.CompilerServices;
using System.Text.Json;
using StreamJsonRpc;
using Vmm.Control.Rpc;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.CoreDump;

namespace Vmm.Control.Domains;

/// <summary>Answers one client of a domain's socket. What may wait for the guest or the host does so on a thread of the pool.</summary>
internal sealed partial class DomainCommands(DomainHost host, JsonRpc client) : IRpcTarget
{
    private const int MostLogLines = 1000;

    private readonly ClientFeed _feed = new(host, client);

    public bool IsIdle => _feed.IsIdle;

    public Task<DomainInfo> GetInfoAsync(CancellationToken cancellation) => Do(() => host.Info);

    public Task<JsonElement> GetConfigAsync(CancellationToken cancellation) => Do(() => host.CurrentConfig.ToJson());

    public Task PauseAsync(CancellationToken cancellation) => Do(() => host.SetPaused(true));

    public Task UnpauseAsync(CancellationToken cancellation) => Do(() => host.SetPaused(false));

    public Task<PowerButtonAnswer> ShutdownAsync(CancellationToken cancellation) => Do(() => new PowerButtonAnswer(host.Machine.PressPowerButton()));

    public Task RebootAsync(CancellationToken cancellation) => Do(host.Reset);

    public Task DestroyAsync(CancellationToken cancellation) => Do(() => host.Destroy("destroyed"));

    public Task<GuestEnd> WaitAsync(CancellationToken cancellation) => host.NextEnd.WaitAsync(cancellation);

    public Task RenameAsync(string name, CancellationToken cancellation) => Do(() => host.Rename(Given(name)));

    public Task<CoreInfo> DumpCoreAsync(string path, CancellationToken cancellation) => Do(() =>
    {
        CheckPath(path);
        CoreReport core = host.MachineAtAnyTime.WriteCore(path);
        return new CoreInfo(path, core.SizeBytes, core.WrittenBytes);
    });

    public Task<SaveInfo> SaveAsync(string path, bool leaveRunning, bool leavePaused, CancellationToken cancellation) => Do(() =>
    {
        CheckPath(path);
        if (leaveRunning && leavePaused) throw new RpcException(RpcErrorCode.InvalidParameters, "leaveRunning and leavePaused exclude each other");
        return host.Save(path, leaveRunning, leavePaused);
    });

    public Task<IReadOnlyList<VcpuInfo>> GetVcpusAsync(CancellationToken cancellation) => Do<IReadOnlyList<VcpuInfo>>(() =>
    {
        bool isPaused = host.Info.State == DomainState.Paused;
        return [.. host.Machine.Vcpus.Select(v => new VcpuInfo(v.Index, isPaused ? VcpuRunState.Paused : v.Use.IsRunning ? VcpuRunState.Running : VcpuRunState.Blocked,
            v.ThreadId, v.Use.CpuTime.TotalSeconds, v.Use.Processor, v.Affinity))];
    });

    public Task PinVcpuAsync(IReadOnlyList<int> cpus, int? vcpu, CancellationToken cancellation) => Do(() =>
    {
        if (Given(cpus).Count == 0) throw new RpcException(RpcErrorCode.InvalidParameters, "at least one processor is needed");
        GuestMachine machine = host.Machine;
        if (vcpu is { } given) CheckVcpu(given);
        foreach (int index in vcpu is { } one ? [one] : Enumerable.Range(0, host.VcpuCount)) machine.PinVcpu(index, cpus);
    });

    public Task SetMemoryAsync(ulong sizeBytes, CancellationToken cancellation) => Do(() =>
    {
        CheckMemory(sizeBytes);
        ulong most = host.MaximumMemoryBytes;
        if (sizeBytes > most) throw new RpcException(RpcErrorCode.InvalidParameters, $"{SizeText.Format(sizeBytes)} is more than the {SizeText.Format(most)} that the domain may have (domain.setMaximumMemory, mem-max)");
        GuestMachine machine = host.Machine;
        Balloon(machine);
        machine.SetBalloonTarget(host.MemoryBytes - sizeBytes);
    });

    public Task SetMaximumMemoryAsync(ulong sizeBytes, CancellationToken cancellation) => Do(() =>
    {
        CheckMemory(sizeBytes);
        _ = host.Machine;
        host.MaximumMemoryBytes = sizeBytes;
    });

    public Task SendNmiAsync(int vcpu, CancellationToken cancellation) => Do(() =>
    {
        GuestMachine machine = host.Machine;
        CheckVcpu(vcpu);
        machine.SendNmi(vcpu);
    });

    public Task<BalloonInfo> GetBalloonAsync(CancellationToken cancellation) => Do(() =>
    {
        GuestMachine machine = host.Machine;
        string id = Balloon(machine);
        VirtioBalloonStatistics s = machine.BalloonStatistics ?? default;
        return new BalloonInfo(id, s.TargetBytes, s.ActualBytes, s.InflatedBytes, s.DeflatedBytes, s.ReportedBytes, s.RefusedPages, s.Guest);
    });

    public Task<IReadOnlyList<string>> GetLogAsync(int lines, CancellationToken cancellation)
    {
        if (lines is < 1 or > MostLogLines) throw new RpcException(RpcErrorCode.InvalidParameters, $"lines is from 1 to {MostLogLines}");
        return Task.FromResult(host.Log.Last(lines));
    }

    public Task SubscribeAsync(CancellationToken cancellation)
    {
        _feed.Subscribe();
        return Task.CompletedTask;
    }

    public Task UnsubscribeAsync(CancellationToken cancellation)
    {
        _feed.Unsubscribe();
        return Task.CompletedTask;
    }

    public Task<JsonElement> DiscoverAsync(CancellationToken cancellation) => Task.FromResult(OpenRpc.Document);

    public void Dispose() => _feed.Dispose();

    // What is null in JSON comes here as null, whatever the parameter's type says.
    private static T Given<T>(T? value, [CallerArgumentExpression(nameof(value))] string? name = null) where T : class
        => value ?? throw new RpcException(RpcErrorCode.InvalidParameters, $"{name} is null");

    private void CheckVcpu(int vcpu)
    {
        int count = host.VcpuCount;
        if (vcpu < 0 || vcpu >= count) throw new RpcException(RpcErrorCode.NotFound, $"there is no vCPU {vcpu}; the domain has {count}");
    }

    private void CheckMemory(ulong sizeBytes)
    {
        ulong most = host.MemoryBytes;
        if (sizeBytes > most) throw new RpcException(RpcErrorCode.InvalidParameters, $"{SizeText.Format(sizeBytes)} is more than the {SizeText.Format(most)} that the domain was made with");
        // A guest without any memory could not give it back, either.
        if (sizeBytes < ConfigValidator.LeastMemoryBytes) throw new RpcException(RpcErrorCode.InvalidParameters, $"{SizeText.Format(sizeBytes)} is less than {SizeText.Format(ConfigValidator.LeastMemoryBytes)}");
    }

    private static string Balloon(GuestMachine machine) => machine.Devices.FirstOrDefault(d => d.Config is BalloonConfig)?.Config.Id
        ?? throw new RpcException(RpcErrorCode.NotFound, "the domain has no balloon (balloon in its configuration), so that its memory stays as it is");

    private static Task Do(Action work) => Task.Run(work);

    private static Task<T> Do<T>(Func<T> work) => Task.Run(work);
}
