namespace Vmm.Devices.Virtio.Vsock;

/// <summary>What a <see cref="VirtioVsock"/> has done.</summary>
/// <param name="Connections">Connections now, with those that are being opened or closed.</param>
/// <param name="Opened">Connections that both sides agreed to.</param>
/// <param name="Refused">Connections that one side asked for and did not get.</param>
/// <param name="BytesToGuest">Payload from the host to the guest.</param>
/// <param name="BytesFromGuest">Payload from the guest to the host.</param>
/// <param name="Dropped">Packets from the guest that were for nobody.</param>
public readonly record struct VirtioVsockStatistics(int Connections, ulong Opened, ulong Refused, ulong BytesToGuest, ulong BytesFromGuest, ulong Dropped);
