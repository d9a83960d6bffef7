using Vmm.Host;

namespace Vmm.Machine.Config;

/// <summary>A file of the host as persistent memory of the guest.</summary>
public sealed record PmemConfig : DeviceConfig
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>The size that the file gets if it is smaller or not there; null for the size that it has.</summary>
    public ulong? SizeBytes { get; init; }

    /// <summary>The file is not changed: what the guest writes goes away with the machine.</summary>
    public bool ReadOnly { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "pmem";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Path.Length == 0) errors.Add(new($"{path}.path", "is empty"));
        if (SizeBytes is { } size && (size == 0 || size % PmemFile.UnitBytes != 0 || size > MappedMemory.MaximumBytes))
            errors.Add(new($"{path}.size", $"{SizeText.Format(size)} is not a multiple of 2M up to {SizeText.Format(MappedMemory.MaximumBytes)}"));
    }

    /// <summary>Reads "path=…,size=…".</summary>
    public static PmemConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"pmem[{index}]", text, errors);
        PmemConfig config = new()
        {
            Path = keys.Need("path", "the file behind the memory"),
            SizeBytes = keys.TakeSize("size"),
            ReadOnly = keys.TakeSwitch("readonly"),
            Id = keys.Take("id") ?? $"pmem{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }
}
