using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <summary>A domain in words: its machine, and what follows at its ends.</summary>
public sealed record DomainConfig
{
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    /// <summary>The machine. Its serial ports and what follows a reset are the domain's affair.</summary>
    public required MachineConfig Machine { get; init; }

    public DomainAction OnPowerOff { get; init; } = DomainAction.Destroy;

    public DomainAction OnReboot { get; init; } = DomainAction.Restart;

    public DomainAction OnCrash { get; init; } = DomainAction.Destroy;
}
