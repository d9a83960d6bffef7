using Vmm.Host.Serial;

namespace Vmm.Machine;

/// <summary>A serial port or a port of a virtio console.</summary>
/// <param name="Name">"serial0", "hvc0" as Linux numbers them, or "port.NAME".</param>
/// <param name="Tap">Where one listens and types.</param>
/// <param name="Path">What to connect to at the host end; null for nothing.</param>
/// <param name="Device">The virtio console; null for a serial port.</param>
/// <param name="Port">The port's number in its configuration.</param>
public sealed record GuestConsole(string Name, TappedChar Tap, string? Path, string? Device, int Port);
