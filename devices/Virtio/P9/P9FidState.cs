using Vmm.Core.Backends.Files;

namespace Vmm.Devices.Virtio.P9;

/// <summary>State of one fid. It is found again by its path: a node without a name, or one that others moved meanwhile, is lost (ESTALE).</summary>
public sealed record P9FidState
{
    public required uint Fid { get; init; }

    public required uint Uid { get; init; }

    /// <summary>Path from the top in the host's bytes; null when it had none.</summary>
    public byte[]? Path { get; init; }

    /// <summary>The node's number, to tell it from another at the same path.</summary>
    public ulong Node { get; init; }

    /// <summary>How it is open; null when it is not.</summary>
    public OpenModes? Modes { get; init; }

    /// <summary>Value of an extended attribute that is being read or written.</summary>
    public byte[]? ExtendedValue { get; init; }

    /// <summary>Name of the attribute that is being written.</summary>
    public byte[]? ExtendedName { get; init; }

    public int ExtendedWritten { get; init; }

    public uint ExtendedFlags { get; init; }
}
