namespace Vmm.Host.Sandbox;

/// <summary>What may be done with a path in a sandbox.</summary>
public enum SandboxAccess
{
    /// <summary>The file, or all below a folder, may be read.</summary>
    Read,

    /// <summary>The file, or all below a folder, may be read and written; nothing is made or removed.</summary>
    Write,

    /// <summary>Sockets may be made in the folder, and files removed that stand in their way.</summary>
    Sockets,

    /// <summary>All below the folder may be changed, made and removed.</summary>
    Tree,
}
