using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>A kernel that lies in guest memory.</summary>
/// <param name="Protocol">How it is entered.</param>
/// <param name="Entry">Where.</param>
/// <param name="End">One past the last byte it needs.</param>
/// <param name="IsUnpacked">True when it came out of a bzImage.</param>
internal readonly record struct PlacedKernel(BootProtocol Protocol, GuestAddress Entry, GuestAddress End, bool IsUnpacked);
