using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <summary>What surrounds devices in a process that serves them: a clock of its own, and no memory but that which their queues lead to.</summary>
internal sealed class ServedRoom(MachineHost host) : IDeviceRoom, IDisposable
{
    private readonly HostClock _clock = new(host.Loop, host.Note, startPaused: false);

    public GuestMemory Memory { get; } = new([]);

    public IClock Clock => _clock;

    public IWorkers Workers { get; } = new ThreadWorkers();

    public void Dispose() => _clock.Dispose();
}
