namespace Vmm.Devices.Virtio.Console;

/// <summary>State of one port of a <see cref="VirtioConsole"/>.</summary>
public sealed record VirtioConsolePortState
{
    public ushort Columns { get; init; }
    public ushort Rows { get; init; }

    /// <summary>The driver knows the port.</summary>
    public bool IsReady { get; init; }

    /// <summary>A program in the guest has it open.</summary>
    public bool IsGuestOpen { get; init; }

    /// <summary>What the driver has still to be told, as bits.</summary>
    public int News { get; init; }
}
