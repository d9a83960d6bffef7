using System.Collections.Concurrent;
using Iced.Intel;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.LifeCycle;

/// <summary>A machine with a tiny kernel, running on a thread of its own, its COM1 in a file.</summary>
internal sealed class RunningMachine : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-life-cycle").FullName;
    private readonly EpollLoop _loop;
    private readonly Task<MachineOutcome> _run;

    public RunningMachine(Accelerator accel, Action<Assembler> code, Func<MachineConfig, MachineConfig>? change = null, Action<GuestMachine>? before = null)
    {
        string kernel = Path.Combine(_directory, "kernel");
        TinyKernel.WritePvh(kernel, code);
        _loop = new EpollLoop("test loop", Notes.Enqueue);
        MachineConfig config = new()
        {
            Accel = accel,
            MemoryBytes = 16 << 20,
            Boot = new BootConfig { Kernel = kernel },
            Serial = [new SerialConfig(SerialKind.File, Path.Combine(_directory, "com1"))],
            OnReboot = RebootPolicy.Exit,
        };
        Machine = new GuestMachine(change?.Invoke(config) ?? config, new MachineHost(_loop, Notes.Enqueue, () => { }));
        before?.Invoke(Machine);
        _run = Task.Factory.StartNew(Machine.Run, TaskCreationOptions.LongRunning);
    }

    public GuestMachine Machine { get; }

    public ConcurrentQueue<string> Notes { get; } = new();

    public string Com1 => File.Exists(Path.Combine(_directory, "com1")) ? File.ReadAllText(Path.Combine(_directory, "com1")) : "";

    public MachineOutcome WaitForEnd()
    {
        Assert.True(_run.Wait(Patience), "the machine does not end");
        return _run.Result;
    }

    public void WaitForOutput(string text) => Assert.True(SpinWait.SpinUntil(() => Com1.Contains(text, StringComparison.Ordinal), Patience), $"COM1 holds '{Com1}'");

    public void Dispose()
    {
        Machine.Stop("the test is over");
        _run.Wait(Patience);
        Machine.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
