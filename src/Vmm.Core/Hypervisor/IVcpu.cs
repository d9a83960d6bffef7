namespace Vmm.Core.Hypervisor;

/// <summary>One virtual CPU. All members but <see cref="Kick"/> belong to the thread that runs it.</summary>
public interface IVcpu : IDisposable
{
    /// <summary>0 for the boot processor.</summary>
    int Index { get; }

    /// <summary>
    /// Runs the guest until something ends it. I/O is served inside, through <paramref name="io"/>. A halted vCPU waits inside; it
    /// leaves with <see cref="VcpuExit.Halted"/> only when it halted with no way to wake up again (interrupts off and no NMI source).
    /// </summary>
    VcpuExit Run(IVcpuIo io);

    /// <summary>Makes a running <see cref="Run"/> (or the next one) return <see cref="VcpuExit.Interrupted"/>. Any thread; never lost.</summary>
    void Kick();

    /// <summary>Copies the complete architectural state out. Not while <see cref="Run"/> is running.</summary>
    void Capture(VcpuState to);

    /// <summary>Sets the complete architectural state. Not while <see cref="Run"/> is running.</summary>
    /// <exception cref="HypervisorException">This CPU cannot take that state.</exception>
    void Apply(VcpuState from);

    /// <summary>After <see cref="VcpuExit.Failed"/>: one line that says why.</summary>
    string? FailureReason { get; }
}
