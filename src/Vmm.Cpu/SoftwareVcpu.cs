using Vmm.Core.Hypervisor;
using Vmm.Cpu.State;

namespace Vmm.Cpu;

/// <summary>A vCPU of the software CPU: the <see cref="Cpu"/> behind the contract, and the pins that its local APIC drives.</summary>
public sealed class SoftwareVcpu : IVcpu, IVcpuSignals
{
    /// <summary>The guest's TSC counts nanoseconds, where it began here.</summary>
    public const ulong TscHz = 1_000_000_000;

    private const ulong LeastTscHz = 10_000_000, MostTscHz = 100_000_000_000;

    internal SoftwareVcpu(Cpu cpu) => Cpu = cpu;

    internal Cpu Cpu { get; }

    /// <inheritdoc/>
    public int Index => Cpu.Index;

    /// <inheritdoc/>
    public string? FailureReason => Cpu.FailureReason;

    /// <summary>Instructions executed so far.</summary>
    public unsafe ulong InstructionCount => Volatile.Read(ref Cpu.S->InstructionCount);

    /// <inheritdoc/>
    public ulong TscFrequencyHz => Cpu.TscHz;

    /// <inheritdoc/>
    public VcpuExit Run(IVcpuIo io) => Cpu.Run(io);

    /// <inheritdoc/>
    public void Kick() => Cpu.Post(Pending.Kick);

    /// <inheritdoc/>
    public void Capture(VcpuState to) => StateCodec.Capture(Cpu, to);

    /// <inheritdoc/>
    public void Apply(VcpuState from)
    {
        Cpu.ForgetStartUp();
        StateCodec.Apply(Cpu, from);
        if (Cpu.TscHz != TscHz) StateCodec.RefreshClock(Cpu);
    }

    /// <summary>Has the guest's TSC count at the rate of the CPU that it comes from. Before <see cref="Apply"/>.</summary>
    /// <returns>False when there is no such CPU.</returns>
    public bool TrySetTscFrequency(ulong hz)
    {
        if (hz is < LeastTscHz or > MostTscHz) return false;
        Cpu.TscHz = hz;
        return true;
    }

    /// <inheritdoc/>
    public void InterruptPending() => Cpu.Post(Pending.Interrupt);

    /// <inheritdoc/>
    public void Nmi() => Cpu.Post(Pending.Nmi);

    /// <inheritdoc/>
    public void Init() => Cpu.PostInit();

    /// <inheritdoc/>
    public void Sipi(byte vector) => Cpu.PostSipi(vector);

    /// <inheritdoc/>
    public ulong ReadTsc() => Cpu.ReadTsc();

    /// <inheritdoc/>
    public void Dispose() => Cpu.Dispose();
}
