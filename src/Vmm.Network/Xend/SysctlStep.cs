using System.Collections.Immutable;

namespace Vmm.Network.Xend;

/// <summary>Gives settings of the kernel their earlier values. What another network needs as well is left to that one.</summary>
/// <param name="Values">The values, in the order in which they are written.</param>
public sealed record SysctlStep(ImmutableArray<SysctlValue> Values) : UndoStep
{
    /// <summary>What they are now.</summary>
    internal static SysctlStep Of(params IEnumerable<string> names)
        => new([.. names.Select(name => (Name: name, Value: Sysctl.Read(name))).Where(p => p.Value is not null).Select(p => new SysctlValue(p.Name, p.Value!))]);

    internal override string What => "put settings of the kernel back";

    internal override void Undo(UndoContext context)
    {
        if (Values.IsEmpty || context.Store.HandOver(context.Journal, this)) return;
        foreach (SysctlValue value in Values)
        {
            // The interface can be gone.
            if (Sysctl.Read(value.Name) is { } now && now != value.Value) Sysctl.Write(value.Name, value.Value);
        }
    }
}
