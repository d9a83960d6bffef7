using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Block;
using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Engines;

namespace Vmm.Machine.Devices;

/// <summary>The image behind a disk.</summary>
internal sealed class DiskAttachment : IDiskAttachment
{
    private readonly Lock _gate = new();
    private readonly DiskImageBase _image;
    private readonly VirtioBlockOptions _options;
    private readonly Action<string> _note;
    private RateLimits _limits;
    private RateLimiter? _limiter;
    private readonly DateTimeOffset _since = DateTimeOffset.UtcNow;
    private VirtioBlockStatistics _earlier;
    private VirtioBlock? _device;
    private bool _isDisposed;

    /// <exception cref="ImageException">The image is not what was said, or cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The file cannot be opened, or is in use.</exception>
    public DiskAttachment(DiskConfig config, int vcpus, MachineHost host)
    {
        Id = config.Id;
        Action<string> note = _note = host.Note;
        _limits = config.Limits;
        ImageFormat format = ImageFormats.Parse(config.Format);
        ImageOpenOptions open = OptionsOf(config, host);
        if (format == ImageFormat.Raw && DiskImages.LooksLike(config.Path, open with { Direct = false }) is { } other)
            note($"{config.Id}: {config.Path} is used as raw, as was said; its first bytes look like {other}");
        _image = Open(config, format, open, new DiskTroubles(config.Id, note, host.Trouble));
        _image.SurvivesKill = host.MayBeKilled;
        _options = new VirtioBlockOptions
        {
            Serial = config.Serial,
            QueueCount = config.Queues ?? vcpus,
            QueueSize = (ushort)config.QueueSize,
            HasDiscard = config.Discard,
            IsWriteThrough = config.Cache == DiskCache.Writethrough,
        };
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <summary>What the guest sees.</summary>
    public ulong SizeBytes => _image.SizeBytes;

    /// <summary>What the disk has done in all lives.</summary>
    public VirtioBlockStatistics Statistics
    {
        get
        {
            lock (_gate) return _device is { } device ? _earlier + device.Statistics : _earlier;
        }
    }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room)
    {
        lock (_gate)
        {
            // The buckets fill in the time of one life; the limits outlive it.
            _limiter?.Dispose();
            _limiter = new RateLimiter(room.Clock, _limits);
            _earlier = Statistics;
            return _device = new(_image, _options, room.Workers, _limiter);
        }
    }

    /// <inheritdoc/>
    public DiskReport Report(DiskConfig config, int slot, bool isLeaving)
    {
        lock (_gate) return new(config, slot, isLeaving, _isDisposed ? 0 : _image.SizeBytes, _limits, Statistics, _since);
    }

    /// <inheritdoc/>
    public void SetLimits(RateLimits limits)
    {
        lock (_gate)
        {
            _limits = limits;
            if (!_isDisposed && _limiter is { } limiter) limiter.Limits = limits;
        }
    }

    /// <inheritdoc/>
    public void Grow(ulong sizeBytes)
    {
        lock (_gate)
        {
            if (_isDisposed) throw new DeviceException($"'{Id}' is gone");
            // What is cut off could be in use at this moment.
            if (sizeBytes < _image.SizeBytes) throw new ImageException($"{Id} has {_image.SizeBytes} bytes and cannot become smaller while it is in use");
            _image.Resize(sizeBytes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _limiter?.Dispose();
            if (!_image.IsReadOnly && _image.Flush() is var result and not BlockResult.Ok) _note($"{Id}: the last writes may be lost: {_image.FirstError ?? result.ToString()}");
            _image.Dispose();
        }
    }

    private static ImageOpenOptions OptionsOf(DiskConfig config, MachineHost host) => new()
    {
        ReadOnly = config.ReadOnly || config.Snapshot,
        AllowBacking = config.AllowBacking,
        Direct = config.Cache == DiskCache.None,
        IgnoreFlush = config.Cache == DiskCache.Unsafe,
        Opener = host.OpenFile is { } open ? (path, isReadOnly, isDirect) => open(config.Id, path, isReadOnly, isDirect) : null,
    };

    private static DiskImageBase Open(DiskConfig config, ImageFormat format, ImageOpenOptions open, DiskTroubles troubles)
    {
        BlockEngine engine = new(config.Id, config.Aio);
        DiskImageBase? image = null;
        try
        {
            image = (DiskImageBase)DiskImages.Open(config.Path, format, open);
            if (config.Snapshot) image = (DiskImageBase)DiskImages.Overlay(image, Path.GetTempPath());
            image.UseEngine(engine);
            image.Report = troubles.Report;
            return image;
        }
        catch
        {
            image?.Dispose();
            engine.Dispose();
            throw;
        }
    }
}
