using System.Numerics;
using System.Text;
using Vmm.Core.Time;
using Vmm.Storage;
using Vmm.Storage.Engines;

namespace Vmm.Machine.Config;

/// <summary>A disk: an image file or a block device behind a virtio block device.</summary>
public sealed record DiskConfig : DeviceConfig
{
    private const int MostQueues = 64, LeastQueueSize = 4, MostQueueSize = 1024, SerialMaxLength = 20;

    /// <summary>The image.</summary>
    public required string Path { get; init; }

    /// <summary>The name of its format, always said: a guest could have written any header into a raw image.</summary>
    public required string Format { get; init; }

    /// <summary>No write is let through.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The image may show another image that it names itself.</summary>
    public bool AllowBacking { get; init; }

    /// <summary>All writes go to a nameless layer that is gone at the end.</summary>
    public bool Snapshot { get; init; }

    /// <summary>Where writes may wait.</summary>
    public DiskCache Cache { get; init; }

    /// <summary>What the guest no longer needs is given back to the host.</summary>
    public bool Discard { get; init; } = true;

    /// <summary>By what means I/O is done that has to wait for the storage.</summary>
    public AioMode Aio { get; init; }

    /// <summary>What the guest finds as the serial number.</summary>
    public string Serial { get; init; } = "";

    /// <summary>Request queues; null for one for each vCPU.</summary>
    public int? Queues { get; init; }

    /// <summary>Entries of each queue.</summary>
    public int QueueSize { get; init; } = 256;

    /// <summary>It is served by a process of its own; null for what the machine says.</summary>
    public bool? Process { get; init; }

    /// <summary>How fast the guest may use it.</summary>
    public RateLimits Limits { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "disk";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Path.Length == 0) errors.Add(new($"{path}.path", "is empty"));
        if (Queues is < 1 or > MostQueues) errors.Add(new($"{path}.queues", $"{Queues} is not from 1 to {MostQueues}"));
        if (QueueSize is < LeastQueueSize or > MostQueueSize || !BitOperations.IsPow2(QueueSize))
            errors.Add(new($"{path}.queue-size", $"{QueueSize} is not a power of two from {LeastQueueSize} to {MostQueueSize}"));
        if (Serial.Length > SerialMaxLength || !Ascii.IsValid(Serial)) errors.Add(new($"{path}.serial", $"'{Serial}' is more than {SerialMaxLength} ASCII characters"));
        if (Snapshot && ReadOnly) errors.Add(new($"{path}.snapshot", "a disk that takes no writes needs no layer for them"));
        if (Snapshot && Process == true) errors.Add(new($"{path}.process", "the layer of snapshot=on is gone with the process that has it, and the guest would go on"));
        RateLimitKeys.Disk.Check(path, Limits, errors);
        try
        {
            ImageFormats.Parse(Format);
        }
        catch (ImageException e)
        {
            errors.Add(new($"{path}.format", e.Message));
        }
    }

    /// <summary>Reads "path=…,format=…".</summary>
    public static DiskConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"disk[{index}]", text, errors);
        DiskConfig config = new()
        {
            Path = keys.Need("path", "the image file or block device"),
            Format = keys.Need("format", "raw, qcow2, vpc or vmdk; it is not guessed, because a guest can write any header into a raw image"),
            ReadOnly = keys.TakeSwitch("readonly"),
            AllowBacking = keys.TakeSwitch("backing"),
            Snapshot = keys.TakeSwitch("snapshot"),
            Cache = keys.TakeChoice("cache", ("writeback", DiskCache.Writeback), ("writethrough", DiskCache.Writethrough), ("none", DiskCache.None), ("unsafe", DiskCache.Unsafe)),
            Discard = keys.TakeChoice("discard", ("unmap", true), ("ignore", false)),
            Aio = keys.TakeChoice("aio", ("auto", AioMode.Auto), ("io_uring", AioMode.IoUring), ("threads", AioMode.Threads)),
            Serial = keys.Take("serial") ?? "",
            Queues = keys.TakeNumber("queues", 0, 1, MostQueues) is > 0 and int queues ? queues : null,
            QueueSize = keys.TakeNumber("queue-size", 256, LeastQueueSize, MostQueueSize),
            Process = keys.Has("process") ? keys.TakeSwitch("process") : null,
            Limits = RateLimitKeys.Disk.Take(keys),
            Id = keys.Take("id") ?? $"disk{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }

}
