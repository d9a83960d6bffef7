namespace Vmm.Control.Rpc;

/// <summary>What a vCPU is doing.</summary>
public enum VcpuRunState
{
    /// <summary>It has a processor of the host, or waits for one.</summary>
    Running,

    /// <summary>The guest has nothing to do on it.</summary>
    Blocked,

    /// <summary>The domain is paused.</summary>
    Paused,
}
