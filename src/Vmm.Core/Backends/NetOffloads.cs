namespace Vmm.Core.Backends;

/// <summary>Work on a frame that its sender may leave to the receiver, said in the header before the frame.</summary>
[Flags]
public enum NetOffloads
{
    None = 0,

    /// <summary>The checksum of TCP or UDP is not filled in.</summary>
    Checksum = 1 << 0,

    /// <summary>TCP over IPv4 longer than the MTU.</summary>
    Tso4 = 1 << 1,

    /// <summary>TCP over IPv6 longer than the MTU.</summary>
    Tso6 = 1 << 2,

    /// <summary>Long TCP with the ECN bits set.</summary>
    TsoEcn = 1 << 3,

    /// <summary>UDP datagrams put together, to be cut into several.</summary>
    Uso = 1 << 4,
}
