using Vmm.Core.Time;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The host end of a disk, wherever it is served. Any thread, without the machine's locks: it may wait for another process.</summary>
internal interface IDiskAttachment : IAttachment
{
    /// <summary>The disk as it stands.</summary>
    DiskReport Report(DiskConfig config, int slot, bool isLeaving);

    /// <summary>Changes how fast the guest may use it, at once and for every later life.</summary>
    void SetLimits(RateLimits limits);

    /// <summary>Makes the disk larger while the guest uses it; the guest is told.</summary>
    /// <exception cref="Storage.ImageException">It would become smaller, or the image cannot.</exception>
    /// <exception cref="DeviceException">It is gone.</exception>
    /// <exception cref="Host.LinuxException">Who serves it does not answer.</exception>
    void Grow(ulong sizeBytes);
}
