using Vmm.Core.State;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>The device's end of a queue as <see cref="VirtioCore"/> starts and stops it, wherever it is served.</summary>
internal interface IQueueEnd
{
    /// <summary>The largest size that the driver can choose.</summary>
    ushort MaxSize { get; }

    /// <summary>Nothing is under way.</summary>
    bool IsIdle { get; }

    /// <summary>Starts at the beginning of a ring.</summary>
    void Start(in VirtQueueSetup setup, ulong features);

    /// <summary>Begins nothing more of this ring.</summary>
    void Stop();

    /// <summary>Begins nothing for a while.</summary>
    void Hold(bool isHeld);

    /// <exception cref="StateException">Something is under way.</exception>
    VirtQueueState Save(in VirtQueueSetup setup);

    /// <exception cref="StateException">There is no such place in a ring.</exception>
    void Restore(VirtQueueState state, in VirtQueueSetup setup, ulong features);
}
