using Vmm.Network.Firewall;

namespace Vmm.Network.Xend;

/// <summary>Removes rules.</summary>
/// <param name="Change">What removes them.</param>
public sealed record FirewallStep(FirewallChange Change) : UndoStep
{
    internal override string What => "remove rules";

    internal override void Undo(UndoContext context) => Change.TryApply();
}
