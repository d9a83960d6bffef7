using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Console;

/// <summary>A port of a <see cref="VirtioConsole"/>.</summary>
/// <param name="Backend">The host end. Stays the caller's.</param>
/// <param name="Name">By which programs in the guest find it, up to <see cref="MostNameBytes"/> ASCII characters; null for a console (hvc0, hvc1, …).</param>
public sealed record VirtioConsolePort(ICharBackend Backend, string? Name = null)
{
    /// <summary>The longest name.</summary>
    public const int MostNameBytes = 64;
}
