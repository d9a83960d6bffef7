namespace Vmm.Network.Xend;

/// <summary>Where a guest's interface belongs, and who puts it there.</summary>
/// <param name="Bridge">The bridge that it joins; null where the host routes to it.</param>
/// <param name="Script">The hook script that sets it up; null where no script does.</param>
internal sealed record VifPlace(string? Bridge, string? Script)
{
    public const string BridgeScript = "vif-bridge", RouteScript = "vif-route", NatScript = "vif-nat";
}
