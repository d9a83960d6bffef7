namespace Vmm.Machine.Doctor;

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">What: "/dev/kvm".</param>
/// <param name="State">How it came out.</param>
/// <param name="Found">What was found.</param>
/// <param name="Consequence">What follows from a limit or a lack; null when nothing does.</param>
public sealed record HostCheck(string Name, HostCheckState State, string Found, string? Consequence = null);
