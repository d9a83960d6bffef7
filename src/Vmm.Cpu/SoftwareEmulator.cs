using System.Buffers.Binary;
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
    /// <summary>Offset of XSTATE_BV in the XSAVE header (Intel SDM vol. 1 §13.4.2).</summary>
    private const int XstateBv = 512;

    private readonly ConcurrentBag<(Cpu Cpu, GuestMemory Memory)> _idle = [];

    /// <inheritdoc/>
    public EmulationResult ExecuteOne(VcpuState state, GuestMemory memory, IVcpuIo io)
    {
        if (!_idle.TryTake(out (Cpu Cpu, GuestMemory Memory) entry) || entry.Memory != memory)
        {
            entry.Cpu?.Dispose();
            entry = (new Cpu(0, memory, new CodePages(), cpuid, StoppedClock.Instance, new Doorbells(static _ => { })) { Extended = new ExtendedState() }, memory);
        }

        Cpu cpu = entry.Cpu;
        StateCodec.Apply(cpu, state);
        (cpu.Extended!.Area, cpu.Extended.Xcr0) = (state.Xsave, state.Xcr0);
        VcpuExit? exit = cpu.StepOne(io);
        if (exit is null) CaptureKnown(cpu, state);
        _idle.Add(entry);
        return exit is null ? EmulationResult.Done : EmulationResult.Failed($"{exit} at rip 0x{state.Rip:x}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_idle.TryTake(out (Cpu Cpu, GuestMemory Memory) entry)) entry.Cpu.Dispose();
    }

    // What this CPU has no notion of stays KVM's: XCR0, the task priority, and the state components beyond x87 and SSE.
    private static void CaptureKnown(Cpu cpu, VcpuState state)
    {
        Span<byte> header = state.Xsave.AsSpan(XstateBv, sizeof(ulong));
        (byte cr8, ulong xcr0, ulong components) = (state.Cr8, state.Xcr0, BinaryPrimitives.ReadUInt64LittleEndian(header));
        StateCodec.Capture(cpu, state);
        (state.Cr8, state.Xcr0) = (cr8, xcr0);
        BinaryPrimitives.WriteUInt64LittleEndian(header, components | BinaryPrimitives.ReadUInt64LittleEndian(header));
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
