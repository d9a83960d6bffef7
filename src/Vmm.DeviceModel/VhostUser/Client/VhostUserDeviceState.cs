namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>State of a <see cref="VhostUserDevice"/> whose rings stand still; the transport keeps theirs.</summary>
public sealed record VhostUserDeviceState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>Where the driver has written to the configuration, and what.</summary>
    public ushort[] WrittenOffsets { get; init; } = [];

    public byte[] Written { get; init; } = [];

    /// <summary>A disk's size in sectors; 0 for another device.</summary>
    public ulong Sectors { get; init; }

    /// <summary>What the back end keeps in the account of requests: none of them is open, but it may keep more there, in a form that it alone knows.</summary>
    public byte[] Account { get; init; } = [];
}
