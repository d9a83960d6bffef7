namespace Vmm.Network.Xend;

/// <summary>Gives an interface its earlier name again.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Name">The name that it had.</param>
public sealed record RenameLinkStep(int Index, string Name) : UndoStep
{
    internal override string What => $"call it {Name} again";

    internal override void Undo(UndoContext context)
    {
        if (context.Host.Links().FirstOrDefault(l => l.Index == Index) is { } link && link.Name != Name) HostLinks.Rename(context.Host, link, Name);
    }
}
