using System.Collections.Concurrent;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu;

/// <summary>The software CPU as a helper of another: executes the single instructions that KVM's own emulator gives up on.</summary>
/// <param name="cpuid">What the guest's CPUID shows; an instruction that it does not show is #UD.</param>
public sealed class SoftwareEmulator(CpuidTable cpuid) : IInstructionEmulator, IDisposable
{
    private readonly ConcurrentBag<(Cpu Cpu, GuestMemory Memory)> _idle = [];

    /// <inheritdoc/>
    public EmulationResult ExecuteOne(VcpuState state, GuestMemory memory, IVcpuIo io)
    {
        if (!_idle.TryTake(out (Cpu Cpu, GuestMemory Memory) entry) || entry.Memory != memory)
        {
            entry.Cpu?.Dispose();
            entry = (new Cpu(0, memory, new CodePages(), cpuid, StoppedClock.Instance, new Doorbells(static _ => { })), memory);
        }

        Cpu cpu = entry.Cpu;
        StateCodec.Apply(cpu, state);
        VcpuExit? exit = cpu.StepOne(io);
        if (exit is null) StateCodec.Capture(cpu, state);
        _idle.Add(entry);
        return exit is null ? EmulationResult.Done : EmulationResult.Failed($"{exit} at rip 0x{state.Rip:x}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_idle.TryTake(out (Cpu Cpu, GuestMemory Memory) entry)) entry.Cpu.Dispose();
    }

    // The guest's TSC is KVM's; within one instruction it stands still.
    private sealed class StoppedClock : IClock
    {
        public static StoppedClock Instance { get; } = new();

        public long NowNs => 0;

        public DateTimeOffset UtcNow => DateTimeOffset.UtcNow;

        public IClockTimer CreateTimer(Action expired) => throw new NotSupportedException();
    }
}
