namespace Vmm.Devices.Chipset;

/// <summary>State of an <see cref="IoApic"/>.</summary>
public sealed record IoApicState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public byte Select { get; init; }
    public uint Id { get; init; }

    /// <summary>Levels of the input pins.</summary>
    public uint Pins { get; init; }

    /// <summary>The 24 redirection entries.</summary>
    public required ulong[] Entries { get; init; }
}
