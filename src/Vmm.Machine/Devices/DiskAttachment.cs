using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Block;
using Vmm.Machine.Config;
using Vmm.Storage;

namespace Vmm.Machine.Devices;

/// <summary>The image behind a disk.</summary>
internal sealed class DiskAttachment : IAttachment
{
    private readonly IDiskImage _image;
    private readonly VirtioBlockOptions _options;
    private readonly Action<string> _note;
    private RateLimits _limits;
    private RateLimiter? _limiter;

    /// <exception cref="ImageException">The image is not what was said, or cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The file cannot be opened, or is in use.</exception>
    public DiskAttachment(DiskConfig config, int vcpus, Action<string> note)
    {
        Id = config.Id;
        _note = note;
        _limits = config.Limits;
        ImageFormat format = ImageFormats.Parse(config.Format);
        if (format == ImageFormat.Raw && DiskImages.LooksLike(config.Path) is { } other)
            note($"{config.Id}: {config.Path} is used as raw, as was said; its first bytes look like {other}");
        ImageOpenOptions open = new() { ReadOnly = config.ReadOnly || config.Snapshot, AllowBacking = config.AllowBacking };
        _image = DiskImages.Open(config.Path, format, open);
        if (config.Snapshot) _image = DiskImages.Overlay(_image, Path.GetTempPath());
        _options = new VirtioBlockOptions
        {
            Serial = config.Serial,
            QueueCount = config.Queues ?? vcpus,
            QueueSize = (ushort)config.QueueSize,
        };
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <inheritdoc/>
    public IVirtioDevice Create(Board board)
    {
        // The buckets fill in the time of one life; the limits outlive it.
        _limiter?.Dispose();
        _limiter = new RateLimiter(board.Clock, _limits);
        return new VirtioBlock(_image, _options, board.Workers, _limiter);
    }

    /// <summary>How fast the guest may use it; a change counts at once and for every later life.</summary>
    public RateLimits Limits
    {
        get => _limits;
        set
        {
            if (_limiter is { } limiter) limiter.Limits = value;
            _limits = value;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _limiter?.Dispose();
        if (!_image.IsReadOnly && _image.Flush() is var result and not BlockResult.Ok) _note($"{Id}: the last writes may be lost: {_image.FirstError ?? result.ToString()}");
        _image.Dispose();
    }
}
