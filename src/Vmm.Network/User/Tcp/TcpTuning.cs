namespace Vmm.Network.User.Tcp;

/// <summary>Numbers of the TCP end points. Times are nanoseconds of machine time.</summary>
internal static class TcpTuning
{
    /// <summary>Connections at once.</summary>
    public const int MostFlows = 2048;

    /// <summary>Connections from outside at once: whoever can reach a forwarded port cannot take all from the guest.</summary>
    public const int MostAccepted = MostFlows / 2;

    /// <summary>Memory of all connections together.</summary>
    public const int PoolChunks = 64 * 1024 * 1024 / ChunkPool.ChunkBytes;

    /// <summary>The largest window that is offered to the guest.</summary>
    public const int ReceiveBytes = 512 * 1024;

    /// <summary>Read ahead from the host even when the guest's window is closed.</summary>
    public const int LeastAheadBytes = 4096;

    /// <summary>One flow may take this part of what the pool has left, so that the pool never ends for the others.</summary>
    public const int PoolShare = 8;

    /// <summary>How far our windows are scaled.</summary>
    public const int WindowShift = 7;

    /// <summary>What a peer that says nothing takes (RFC 9293 §3.7.1).</summary>
    public const int DefaultSegmentSize = 536;

    /// <summary>Segments that make an acknowledgment due at once (RFC 9293 §3.8.6.3).</summary>
    public const int SegmentsPerAck = 2;

    public const int DuplicateAcks = 3;

    public const long DelayedAckNs = 20_000_000;
    /// <summary>When to ask again for memory that there was not.</summary>
    public const long StarvedNs = 10_000_000;

    public const long FirstTimeoutNs = 1_000_000_000;
    public const long LeastTimeoutNs = 200_000_000;
    public const long MostTimeoutNs = 60_000_000_000;

    /// <summary>How long a closed window, or a guest that has not answered yet, is left alone at most.</summary>
    public const long MostProbeNs = 5_000_000_000;
    public const long LingerNs = 1_000_000_000;
    public const long KeepAliveNs = 7200_000_000_000;
    public const long KeepAliveProbeNs = 75_000_000_000;

    /// <summary>A guest without any sign of life for this long, and for so many attempts, has lost the connection.</summary>
    public const long GiveUpNs = 600_000_000_000;

    public const int LeastAttempts = 8;

    /// <summary>Attempts before the connection stands.</summary>
    public const int MostSynAttempts = 8;

    /// <summary>Timers are looked at no more often than this.</summary>
    public const long TickNs = 2_000_000;
}
