using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Block;
using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Engines;

namespace Vmm.Machine.Devices;

/// <summary>The image behind a disk.</summary>
internal sealed class DiskAttachment : IAttachment
{
    private readonly DiskImageBase _image;
    private readonly VirtioBlockOptions _options;
    private readonly Action<string> _note;
    private RateLimits _limits;
    private RateLimiter? _limiter;
    private VirtioBlock? _device;

    /// <exception cref="ImageException">The image is not what was said, or cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The file cannot be opened, or is in use.</exception>
    public DiskAttachment(DiskConfig config, int vcpus, MachineHost host)
    {
        Id = config.Id;
        Action<string> note = _note = host.Note;
        _limits = config.Limits;
        ImageFormat format = ImageFormats.Parse(config.Format);
        if (format == ImageFormat.Raw && DiskImages.LooksLike(config.Path) is { } other)
            note($"{config.Id}: {config.Path} is used as raw, as was said; its first bytes look like {other}");
        _image = Open(config, format, note, why => host.Trouble?.Invoke(new DeviceTrouble(config.Id, IsStorage: true, why)));
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

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room)
    {
        // The buckets fill in the time of one life; the limits outlive it.
        _limiter?.Dispose();
        _limiter = new RateLimiter(room.Clock, _limits);
        return _device = new VirtioBlock(_image, _options, room.Workers, _limiter);
    }

    /// <summary>The disk as it stands.</summary>
    public DiskReport Report(DiskConfig config, int slot, bool isLeaving) => new(config, slot, isLeaving, _image.SizeBytes, _limits, _device?.Statistics);

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

    /// <summary>Makes the disk larger while the guest uses it; the guest is told.</summary>
    /// <exception cref="ImageException">It would become smaller, or the image cannot.</exception>
    public void Grow(ulong sizeBytes)
    {
        // What is cut off could be in use at this moment.
        if (sizeBytes < _image.SizeBytes) throw new ImageException($"{Id} has {_image.SizeBytes} bytes and cannot become smaller while it is in use");
        _image.Resize(sizeBytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _limiter?.Dispose();
        if (!_image.IsReadOnly && _image.Flush() is var result and not BlockResult.Ok) _note($"{Id}: the last writes may be lost: {_image.FirstError ?? result.ToString()}");
        _image.Dispose();
    }

    private static DiskImageBase Open(DiskConfig config, ImageFormat format, Action<string> note, Action<string>? trouble)
    {
        ImageOpenOptions open = new()
        {
            ReadOnly = config.ReadOnly || config.Snapshot,
            AllowBacking = config.AllowBacking,
            Direct = config.Cache == DiskCache.None,
            IgnoreFlush = config.Cache == DiskCache.Unsafe,
        };
        BlockEngine engine = new(config.Id, config.Aio);
        DiskImageBase? image = null;
        try
        {
            image = (DiskImageBase)DiskImages.Open(config.Path, format, open);
            if (config.Snapshot) image = (DiskImageBase)DiskImages.Overlay(image, Path.GetTempPath());
            image.UseEngine(engine);
            image.Report = line =>
            {
                note($"{config.Id}: {line}");
                trouble?.Invoke(line);
            };
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
