namespace Vmm.Devices.Virtio.P9;

/// <summary>State of a <see cref="Virtio9p"/>; the transport keeps that of the queue. Record locks are not in it.</summary>
public sealed record Virtio9pState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The largest message that was agreed; 0 before that.</summary>
    public uint MessageBytes { get; init; }

    /// <summary>The fids in ascending order.</summary>
    public P9FidState[] Fids { get; init; } = [];
}
