namespace Vmm.Devices.Virtio.Console;

/// <summary>What a port of a console device has done since it was made.</summary>
/// <param name="BytesToGuest">Input that the guest took.</param>
/// <param name="BytesFromGuest">Output of the guest.</param>
public readonly record struct VirtioConsoleStatistics(ulong BytesToGuest, ulong BytesFromGuest);
