namespace Vmm.Devices.Virtio.P9;

/// <summary>An extended attribute that is being read or written through a fid of its own.</summary>
internal sealed class P9Extended
{
    /// <summary>The attribute's name when it is being written; null when it is read.</summary>
    public byte[]? Name { get; init; }

    /// <summary>The value, or the room for it.</summary>
    public required byte[] Value { get; init; }

    /// <summary>Bytes that have been written.</summary>
    public int Written { get; set; }

    public uint Flags { get; init; }
}
