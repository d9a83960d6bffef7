namespace Vmm.Core.Backends.Files;

/// <summary>What a node of a file tree is.</summary>
public enum NodeKind : byte
{
    /// <summary>FIFO, socket or device: the guest knows what to do with it, the host does not open it.</summary>
    Special,
    File,
    Directory,
    SymbolicLink,
}
