namespace Vmm.Host.Files;

/// <summary>What a guest may do with a shared directory.</summary>
public sealed record FileTreeOptions
{
    /// <summary>Nothing can be changed.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The guest may make device nodes, which are real ones on the host.</summary>
    public bool AllowsDevices { get; init; }
}
