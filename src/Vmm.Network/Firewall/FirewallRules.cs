namespace Vmm.Network.Firewall;

/// <summary>Rules, and how they are taken back.</summary>
/// <param name="Apply">Sets them.</param>
/// <param name="Undo">Removes them; harmless where they are not there.</param>
public sealed record FirewallRules(FirewallChange Apply, FirewallChange Undo);
