namespace Vmm.Core.Backends.Files;

/// <summary>What statfs tells of a node's file system.</summary>
public readonly record struct FileSystemUsage(
    uint Type, uint BlockBytes, ulong Blocks, ulong FreeBlocks, ulong AvailableBlocks, ulong Files, ulong FreeFiles, ulong Id, uint MaxNameBytes);
