namespace Vmm.Core.Hypervisor;

/// <summary>
/// The pins of a software vCPU: what its local APIC can do to it. Any thread; each also wakes a halted vCPU where it should. Called with
/// the interrupt controllers' locks held: no member may block or call back into them.
/// </summary>
public interface IVcpuSignals
{
    /// <summary>Look at <see cref="ILocalApic.HasInterrupt"/> again.</summary>
    void InterruptPending();

    /// <summary>NMI, edge.</summary>
    void Nmi();

    /// <summary>INIT.</summary>
    void Init();

    /// <summary>Start-up IPI: starts at <paramref name="vector"/>·4096 when the vCPU waits for it, else ignored.</summary>
    void Sipi(byte vector);

    /// <summary>The guest's time stamp counter now (for the TSC-deadline timer).</summary>
    ulong ReadTsc();

    /// <summary>TSC ticks each second.</summary>
    ulong TscFrequencyHz { get; }
}
