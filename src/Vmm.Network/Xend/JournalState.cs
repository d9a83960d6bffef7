namespace Vmm.Network.Xend;

/// <summary>How far a network has come.</summary>
public enum JournalState
{
    /// <summary>It is being made, or its making broke off.</summary>
    Starting,

    /// <summary>It is there, whole.</summary>
    Started,

    /// <summary>It is being taken down, or that broke off.</summary>
    Stopping,
}
