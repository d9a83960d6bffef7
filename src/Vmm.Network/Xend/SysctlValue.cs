namespace Vmm.Network.Xend;

/// <summary>A setting of the kernel and the value that it had.</summary>
/// <param name="Name">Its name under /proc/sys/net.</param>
/// <param name="Value">The value.</param>
public sealed record SysctlValue(string Name, string Value);
