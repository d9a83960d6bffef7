using System.Collections.Concurrent;
using Iced.Intel;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Snapshot;

/// <summary>A folder with a tiny kernel, and the machines that it lives in, one after the other.</summary>
internal sealed class SnapshotRoom : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EpollLoop _loop;
    private GuestMachine? _machine;
    private Task<MachineOutcome>? _run;
    private int _lives;

    public SnapshotRoom(Action<Assembler> code)
    {
        _loop = new EpollLoop("test loop", Notes.Enqueue);
        TinyKernel.WritePvh(At("kernel"), code);
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("vmm-snapshot").FullName;

    public ConcurrentQueue<string> Notes { get; } = new();

    public GuestMachine Machine => _machine!;

    /// <summary>What the guest has written in this life.</summary>
    public string Output => File.Exists(Com1) ? File.ReadAllText(Com1) : "";

    private string Com1 => At($"com1.{_lives}");

    public string At(string name) => Path.Combine(Folder, name);

    public MachineConfig Config(Accelerator accel) => new()
    {
        Accel = accel,
        MemoryBytes = 16 << 20,
        Boot = new BootConfig { Kernel = At("kernel") },
        OnReboot = RebootPolicy.Exit,
    };

    /// <summary>Makes a machine; it does not run.</summary>
    public GuestMachine Make(MachineConfig config, SnapshotReader? saved = null, bool keepsLine = false)
    {
        End();
        if (!keepsLine) _lives++;
        return _machine = new GuestMachine(config with { Serial = [new SerialConfig(SerialKind.File, Com1)] }, new MachineHost(_loop, Notes.Enqueue, () => { }) { Executable = Repository.Vmm }, saved);
    }

    public void Run() => _run = Task.Factory.StartNew(Machine.Run, TaskCreationOptions.LongRunning);

    public void Start(MachineConfig config)
    {
        Make(config);
        Run();
    }

    /// <summary>Makes a machine that goes on; it does not run yet.</summary>
    public GuestMachine Restore(string file, Func<MachineConfig, MachineConfig>? change = null, bool keepsLine = false)
    {
        using SnapshotReader saved = SnapshotReader.Open(At(file));
        return Make(change?.Invoke(saved.Config) ?? saved.Config, saved, keepsLine);
    }

    public void WaitFor(string text) => Assert.True(SpinWait.SpinUntil(() => Output.Contains(text, StringComparison.Ordinal), Patience), $"COM1 holds '{Output}'; {string.Join(" | ", Notes)}; {(_run!.IsCompleted ? _run.Result.ToString() : Machine.CaptureVcpus()[0].ToDump())}");

    public MachineOutcome WaitForEnd()
    {
        Assert.True(_run!.Wait(Patience), "the machine does not end");
        return _run.Result;
    }

    public void End()
    {
        if (_machine is null) return;
        _machine.Stop("the test goes on");
        _run?.Wait(Patience);
        _machine.Dispose();
        (_machine, _run) = (null, null);
    }

    public void Dispose()
    {
        End();
        _loop.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
