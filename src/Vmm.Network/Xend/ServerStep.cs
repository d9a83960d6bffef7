namespace Vmm.Network.Xend;

/// <summary>Ends the server of a network.</summary>
/// <param name="Bridge">The network's bridge.</param>
public sealed record ServerStep(string Bridge) : UndoStep
{
    internal override string What => $"end the server of {Bridge}";

    internal override void Undo(UndoContext context) => new ServerProcess(context.Store.Folder, Bridge).Stop();
}
