namespace Vmm.Core.Hypervisor;

/// <summary>Activity state of a vCPU.</summary>
public enum VcpuActivity : byte
{
    Running,
    Halted,

    /// <summary>After INIT: waits for a start-up IPI.</summary>
    WaitForSipi,
}
