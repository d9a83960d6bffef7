namespace Vmm.Devices.Virtio.Queue;

/// <summary>
/// How far a device has come in a ring. Split: the running indices. Packed: the place in the ring, with the wrap counter in bit 15.
/// </summary>
/// <param name="NextAvailable">Where the next chain is looked for.</param>
/// <param name="NextUsed">Where the next chain is given back.</param>
/// <param name="Signalled">What was the next place to give back when an interrupt was last considered.</param>
internal readonly record struct VirtRingPosition(ushort NextAvailable, ushort NextUsed, ushort Signalled);
