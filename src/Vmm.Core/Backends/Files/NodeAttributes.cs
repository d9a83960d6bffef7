namespace Vmm.Core.Backends.Files;

/// <summary>What stat tells of a node.</summary>
public struct NodeAttributes
{
    public NodeIdentity Identity;

    /// <summary>Type and permissions, as Linux has them in <c>st_mode</c>.</summary>
    public uint Mode;
    public uint Uid;
    public uint Gid;
    public uint Links;
    public uint DeviceMajor;
    public uint DeviceMinor;
    public ulong SizeBytes;
    public uint BlockBytes;

    /// <summary>Storage in units of 512 bytes.</summary>
    public ulong Blocks;
    public NodeTime Accessed;
    public NodeTime Modified;
    public NodeTime Changed;

    /// <summary>When it was made; null where the file system does not know.</summary>
    public NodeTime? Born;
}
