namespace Vmm.Devices.Virtio.Balloon;

/// <summary>State of a <see cref="VirtioBalloon"/>; the transport keeps that of the queues.</summary>
public sealed record VirtioBalloonState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public uint TargetPages { get; init; }
    public uint ActualPages { get; init; }
    public uint PoisonValue { get; init; }
}
