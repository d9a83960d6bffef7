namespace Vmm.Devices.Virtio.Net;

/// <summary>State of a <see cref="VirtioNet"/>: what the driver has chosen. The transport keeps that of the queues.</summary>
public sealed record VirtioNetState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>A driver is ready; else nothing below has been chosen but the link.</summary>
    public bool HasDriver { get; init; }

    /// <summary>Pairs of queues in use.</summary>
    public int QueuePairs { get; init; } = 1;

    /// <summary>What the driver takes undone now, as feature bits.</summary>
    public ulong GuestOffloads { get; init; }

    /// <summary>The host has taken the cable out.</summary>
    public bool IsLinkOff { get; init; }

    /// <summary>The driver is asked to announce itself.</summary>
    public bool IsAnnouncing { get; init; }

    public ulong Mac { get; init; }
    public NetReceiveMode Mode { get; init; }
    public ulong[] Unicast { get; init; } = [];
    public ulong[] Multicast { get; init; } = [];

    /// <summary>A bit for each VLAN; empty when they are not filtered.</summary>
    public ulong[] Vlans { get; init; } = [];
}
