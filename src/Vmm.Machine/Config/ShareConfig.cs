using System.Text;
using Vmm.Devices.Virtio.P9;

namespace Vmm.Machine.Config;

/// <summary>A directory of the host that the guest mounts by its tag (9P2000.L).</summary>
public sealed record ShareConfig : DeviceConfig
{
    /// <summary>The directory.</summary>
    public required string Path { get; init; }

    /// <summary>The name by which the guest mounts it.</summary>
    public required string Tag { get; init; }

    /// <summary>The guest can change nothing.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The guest may make device nodes.</summary>
    public bool Devices { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "share";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Path.Length == 0) errors.Add(new($"{path}.path", "is empty"));
        int bytes = Encoding.UTF8.GetByteCount(Tag);
        if (bytes is 0 or > Virtio9pOptions.MaxTagBytes) errors.Add(new($"{path}.tag", $"'{Tag}' has {bytes} bytes; 1 to {Virtio9pOptions.MaxTagBytes} are possible"));
        if (ReadOnly && Devices) errors.Add(new($"{path}.devices", "nothing can be made in a share that is read-only"));
    }

    /// <summary>Reads "path=…,tag=…".</summary>
    public static ShareConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"share[{index}]", text, errors);
        ShareConfig config = new()
        {
            Path = keys.Need("path", "the directory to share"),
            Tag = keys.Need("tag", "the name by which the guest mounts it"),
            ReadOnly = keys.TakeSwitch("readonly"),
            Devices = keys.TakeSwitch("devices"),
            Id = keys.Take("id") ?? $"share{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }
}
