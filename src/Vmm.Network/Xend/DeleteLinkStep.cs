namespace Vmm.Network.Xend;

/// <summary>Removes an interface that was made.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is: another of that name is left alone.</param>
public sealed record DeleteLinkStep(string Name, string Kind) : UndoStep
{
    internal override string What => $"remove {Name}";

    internal override void Undo(UndoContext context)
    {
        if (context.Host.FindLink(Name) is { } link && link.Kind == Kind) context.Host.DeleteLink(link);
    }
}
