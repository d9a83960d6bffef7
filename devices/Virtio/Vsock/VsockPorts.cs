namespace Vmm.Devices.Virtio.Vsock;

/// <summary>What names a connection: the guest's context id and the host's are always the same.</summary>
internal readonly record struct VsockPorts(uint Host, uint Guest);
