namespace Vmm.Devices.Virtio.P9;

/// <summary>How a shared directory shows itself.</summary>
public sealed record Virtio9pOptions
{
    /// <summary>The most bytes of a tag.</summary>
    public const int MaxTagBytes = 31;

    /// <summary>The name by which the guest mounts it: 1 to 31 bytes of UTF-8.</summary>
    public required string Tag { get; init; }

    /// <summary>Requests that can be under way at once: 1 to 16.</summary>
    public int Workers { get; init; } = 4;

    /// <summary>The most fids.</summary>
    public int MaxFids { get; init; } = 1 << 18;
}
