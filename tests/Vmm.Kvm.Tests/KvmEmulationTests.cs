using System.Numerics;
using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

/// <summary>POPCNT of a device's register is an instruction that no KVM emulates: it fails everywhere, also where ring 0 is native.</summary>
public sealed class KvmEmulationTests
{
    [KvmFact]
    public void InstructionKvmCannotExecute_Emulator_ExecutesItAndTheGuestGoesOn()
    {
        PopcntEmulator emulator = new();
        using TestGuest guest = new(new KvmOptions { Emulator = emulator });
        WritePopcntLoop(guest, 100);
        guest.Io.ReadValue = 0xf0f0;
        VcpuState state = guest.LongMode();
        state.Xsave[160] = 0xaa;
        guest.RunToDone(state);
        Assert.Equal([800ul], guest.Io.OutValues(0x80));
        Assert.Equal(100, guest.Vcpu.EmulatedInstructions);
        Assert.Equal(100, guest.Machine.EmulatedInstructions);
        Assert.Equal(100, guest.Io.Log.Count(a => a.Kind == TestIo.Kind.MmioRead));
        guest.Vcpu.Capture(state);
        Assert.Equal(0xaa, state.Xsave[160]);
    }

    [KvmFact]
    public void InstructionKvmCannotExecute_EmulatorChangesXmmAndRaisesAnException_BothTakeEffect()
    {
        PopcntEmulator emulator = new()
        {
            Execute = state =>
            {
                state.Xsave[160 + 16] = 0x5a; // XMM1
                state.Xsave[512] |= 2; // XSTATE_BV: the host may have found SSE in its initial state
                state.Events = new VcpuEvents { ExceptionPending = true, ExceptionVector = 6 };
            },
        };
        using TestGuest guest = new(new KvmOptions { Emulator = emulator });
        WritePopcntLoop(guest, 1);
        guest.Assemble(64, TestGuest.Handler + (6 * 16), c =>
        {
            c.pop(rax);
            c.@out(0x86, eax);
            TestGuest.Finish(c);
        });
        guest.RunToDone(guest.LongMode());
        ulong faulting = Assert.Single(guest.Io.OutValues(0x86));
        Assert.InRange(faulting, TestGuest.Code, TestGuest.Code + 64);
        VcpuState after = new();
        guest.Vcpu.Capture(after);
        Assert.Equal(0x5a, after.Xsave[160 + 16]);
    }

    [KvmFact]
    public void InstructionKvmCannotExecute_NoEmulator_FailsWithItsBytes()
    {
        using TestGuest guest = new();
        WritePopcntLoop(guest, 1);
        guest.Vcpu.Apply(guest.LongMode());
        Assert.Equal(VcpuExit.Failed, guest.Vcpu.Run(guest.Io));
        Assert.StartsWith("vCPU 0: KVM cannot execute an instruction (bytes f30fb803", guest.Vcpu.FailureReason, StringComparison.Ordinal);
    }

    [KvmFact]
    public void InstructionKvmCannotExecute_EmulatorFails_BothReasonsInOneLine()
    {
        using TestGuest guest = new(new KvmOptions { Emulator = new PopcntEmulator { Refusal = "popcnt is unknown" } });
        WritePopcntLoop(guest, 1);
        guest.Vcpu.Apply(guest.LongMode());
        Assert.Equal(VcpuExit.Failed, guest.Vcpu.Run(guest.Io));
        Assert.EndsWith("; the software CPU cannot either: popcnt is unknown", guest.Vcpu.FailureReason, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", guest.Vcpu.FailureReason, StringComparison.Ordinal);
    }

    [KvmFact]
    public void EmulatedInstructions_OnceWarm_AllocateNothing()
    {
        PopcntEmulator emulator = new();
        using TestGuest guest = new(new KvmOptions { Emulator = emulator });
        WritePopcntLoop(guest, 400);
        long[] allocated = new long[2];
        emulator.Execute = _ =>
        {
            if (emulator.Count == 200) allocated[0] = GC.GetAllocatedBytesForCurrentThread();
            if (emulator.Count == 390) allocated[1] = GC.GetAllocatedBytesForCurrentThread();
        };
        emulator.ReadsDevice = false;
        guest.RunToDone(guest.LongMode());
        Assert.NotEqual(0, allocated[0]);
        Assert.Equal(allocated[0], allocated[1]);
    }

    private static void WritePopcntLoop(TestGuest guest, int count) => guest.Program(64, c =>
    {
        Label again = c.CreateLabel();
        c.mov(rbx, TestGuest.Mmio);
        c.mov(ecx, count);
        c.xor(esi, esi);
        c.Label(ref again);
        c.popcnt(eax, __dword_ptr[rbx]);
        c.add(esi, eax);
        c.dec(ecx);
        c.jnz(again);
        c.mov(eax, esi);
        c.@out(0x80, eax);
    });

    /// <summary>Knows <c>popcnt eax, [rbx]</c>, which is four bytes long, and nothing else.</summary>
    private sealed class PopcntEmulator : IInstructionEmulator
    {
        public string? Refusal { get; init; }

        public Action<VcpuState>? Execute { get; set; }

        public bool ReadsDevice { get; set; } = true;

        public int Count { get; private set; }

        public EmulationResult ExecuteOne(VcpuState state, GuestMemory memory, IVcpuIo io)
        {
            if (Refusal is not null) return EmulationResult.Failed(Refusal);
            Count++;
            Execute?.Invoke(state);
            if (state.Events.ExceptionPending) return EmulationResult.Done;
            Span<byte> operand = stackalloc byte[4];
            operand.Clear();
            if (ReadsDevice) io.MmioRead(state.Gpr[3], operand);
            state.Gpr[0] = (ulong)BitOperations.PopCount(BitConverter.ToUInt32(operand));
            state.Rip += 4;
            return EmulationResult.Done;
        }
    }
}
