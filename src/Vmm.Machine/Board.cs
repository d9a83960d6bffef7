using Vmm.Core.Backends;
using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Core.Time;
using Vmm.Devices.Chipset;
using Vmm.Host;
using Vmm.Machine.Build;
using Vmm.Machine.Devices;

namespace Vmm.Machine;

/// <summary>
/// One life of a machine, from power-on to its end or reset: memory contents, buses, devices, vCPUs. A reset throws the board away
/// and builds another, so that nothing of the old life is left.
/// </summary>
internal sealed partial class Board : IDeviceRoom, IMachineControl, IDisposable
{
    private readonly object _gate = new();
    private readonly List<IDisposable> _owned = [];
    private readonly List<VcpuThread> _vcpus = [];
    private MachineOutcome? _end;
    private int _halted;

    public Board(GuestMemory memory, HostClock clock, EpollLoop loop)
    {
        Memory = memory;
        Clock = Own(clock);
        Loop = loop;
    }

    /// <summary>Guest RAM.</summary>
    public GuestMemory Memory { get; }

    /// <summary>The machine's time; stands at 0 until the guest runs.</summary>
    public HostClock Clock { get; }

    IClock IDeviceRoom.Clock => Clock;

    /// <summary>Where host descriptors are served.</summary>
    public EpollLoop Loop { get; }

    /// <summary>Takes the id of a device that is broken, and how.</summary>
    public Action<string, string>? Trouble { get; init; }

    /// <summary>The I/O ports.</summary>
    public AddressBus Ports { get; } = AddressBus.Ports();

    /// <summary>Memory-mapped I/O.</summary>
    public AddressBus Mmio { get; } = AddressBus.Mmio();

    /// <summary>Who does the work of devices.</summary>
    public IWorkers Workers { get; } = new ThreadWorkers();

    /// <summary>The virtio devices' way to the guest.</summary>
    public VirtioTransports Virtio { get; set; } = VirtioTransports.None;

    /// <summary>Power button and events.</summary>
    public AcpiPm? Acpi { get; set; }

    /// <summary>The PCI bus with the devices on it.</summary>
    public PciHost? Pci { get; set; }

    /// <summary>The CPUs' side.</summary>
    public IVirtualMachine? Machine { get; set; }

    /// <summary>Everything with a state but memory and the vCPUs.</summary>
    public StateRegistry States { get; } = new();

    /// <summary>The vCPUs in order of their index.</summary>
    public IReadOnlyList<VcpuThread> Vcpus => _vcpus;

    /// <summary>Has something disposed with the board, after what comes later.</summary>
    public T Own<T>(T item) where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    /// <summary>Makes a vCPU with its thread, parked.</summary>
    /// <exception cref="HypervisorException">The host refused.</exception>
    public void AddVcpu(IVirtualMachine machine, int index)
        => _vcpus.Add(new VcpuThread(index, () => machine.CreateVcpu(index), new VcpuIo(Ports, Mmio, index), Left));

    /// <inheritdoc/>
    public void RequestPowerOff() => End(new MachineOutcome(MachineEnd.PowerOff, "the guest powered off"));

    /// <inheritdoc/>
    public void RequestReset() => End(new MachineOutcome(MachineEnd.Reset, "the guest reset the machine"));

    /// <inheritdoc/>
    public void ReportPanic() => End(new MachineOutcome(MachineEnd.GuestPanic, "the guest reports that it has panicked"));

    /// <summary>Asks for the end; the first that asks says which. Any thread.</summary>
    public void End(MachineOutcome outcome)
    {
        lock (_gate)
        {
            _end ??= outcome;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for the end of this life. The vCPUs may still be running then.</summary>
    public MachineOutcome WaitForEnd()
    {
        lock (_gate)
        {
            while (_end is null) Monitor.Wait(_gate);
            return _end;
        }
    }

    /// <summary>Lets time and the guest go on.</summary>
    public void Resume()
    {
        Machine?.Resume();
        Clock.Resume();
        Virtio.Release();
        foreach (VcpuThread vcpu in _vcpus) vcpu.Resume();
    }

    /// <summary>
    /// Stops the guest, then its devices, then time. When this returns, no vCPU runs, no timer is under way, and no virtio device has a
    /// request out (but one whose host does not answer).
    /// </summary>
    public void Pause()
    {
        foreach (VcpuThread vcpu in _vcpus) vcpu.Park();
        foreach (VcpuThread vcpu in _vcpus) vcpu.WaitParked();
        Virtio.Hold();
        Clock.Pause();
        Machine?.Pause();
        Loop.Invoke(() => { });
    }

    /// <summary>The state of every vCPU of a paused board.</summary>
    /// <exception cref="HypervisorException">A vCPU could not be read.</exception>
    public VcpuState[] CaptureVcpus()
    {
        VcpuState[] states = new VcpuState[_vcpus.Count];
        foreach (VcpuThread vcpu in _vcpus)
        {
            VcpuState state = new();
            vcpu.Execute(v => v.Capture(state));
            states[vcpu.Index] = state;
        }

        return states;
    }

    /// <summary>Ends the vCPUs, then everything else in the reverse order of its making.</summary>
    /// <exception cref="HypervisorException">A vCPU does not stop; what it may still use is kept.</exception>
    public void Dispose()
    {
        foreach (VcpuThread vcpu in _vcpus) vcpu.Park();
        foreach (VcpuThread vcpu in _vcpus)
        {
            if (!vcpu.TryEnd()) throw new HypervisorException($"vCPU {vcpu.Index} does not stop");
        }

        _vcpus.Clear();
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }

    private void Left(IVcpu vcpu, VcpuExit exit, string? why)
    {
        switch (exit)
        {
            case VcpuExit.PowerOff:
                RequestPowerOff();
                break;
            case VcpuExit.Reset:
                RequestReset();
                break;
            case VcpuExit.Halted:
                if (Interlocked.Increment(ref _halted) == _vcpus.Count)
                    End(new MachineOutcome(MachineEnd.Halted, "the guest halted with interrupts off"));
                break;
            case VcpuExit.TripleFault:
                End(new MachineOutcome(MachineEnd.TripleFault, $"the guest crashed: triple fault on vCPU {vcpu.Index}", Dump(vcpu)));
                break;
            default:
                End(new MachineOutcome(MachineEnd.Failed, $"vCPU {vcpu.Index} cannot go on: {why ?? exit.ToString()}", Dump(vcpu)));
                break;
        }
    }

    private static string Dump(IVcpu vcpu)
    {
        try
        {
            VcpuState state = new();
            vcpu.Capture(state);
            return state.ToDump();
        }
        catch (Exception e)
        {
            return $"(the registers cannot be read: {e.Message})";
        }
    }
}
