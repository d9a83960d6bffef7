namespace Vmm.Machine.Config;

/// <summary>What every device that can be added and removed has in its configuration.</summary>
public abstract record DeviceConfig
{
    /// <summary>The name by which it is added, removed and spoken of; unique in the machine.</summary>
    public required string Id { get; init; }

    /// <summary>How the guest reaches it.</summary>
    public VirtioTransportKind Transport { get; init; }

    /// <summary>The key of this kind of device in messages: "disk".</summary>
    internal abstract string Kind { get; }

    /// <summary>Finds what is wrong with it.</summary>
    /// <param name="path">Where it stands: "disk[0]".</param>
    /// <param name="errors">Takes the mistakes.</param>
    internal abstract void Check(string path, List<ConfigError> errors);
}
