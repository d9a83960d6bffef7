namespace Vmm.Core.Backends;

/// <summary>What a connection between the guest and the host carries.</summary>
public enum VsockKind : byte
{
    /// <summary>Bytes.</summary>
    Stream,

    /// <summary>Messages, each of which arrives as it was sent or not at all.</summary>
    Seqpacket,
}
