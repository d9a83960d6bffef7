namespace Vmm.Core.Backends;

/// <summary>How a transfer on a stream ended.</summary>
public enum VsockStreamStatus : byte
{
    /// <summary>At least one byte was transferred.</summary>
    Ok,

    /// <summary>Nothing can be transferred now.</summary>
    Pending,

    /// <summary>Nothing can be transferred in this direction ever again.</summary>
    Ended,

    /// <summary>The peer broke the connection; bytes may be lost.</summary>
    Broken,
}
