using Vmm.Host;

namespace Vmm.Machine.Served;

/// <summary>A TAP device that another process has made ready.</summary>
/// <param name="Queues">Its queues; the receiver's.</param>
/// <param name="LinkMtu">Its MTU.</param>
/// <param name="GuestMtu">The MTU that the guest is told; 0 for none.</param>
internal sealed record HandedTap(IReadOnlyList<LinuxFile> Queues, ushort LinkMtu, ushort GuestMtu);
