using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;

namespace Vmm.Machine.Devices;

/// <summary>What surrounds a virtio device: a board, or a process that serves devices for one.</summary>
internal interface IDeviceRoom
{
    /// <summary>The guest's memory.</summary>
    GuestMemory Memory { get; }

    /// <summary>The device's time.</summary>
    IClock Clock { get; }

    /// <summary>Who does the device's work.</summary>
    IWorkers Workers { get; }
}
