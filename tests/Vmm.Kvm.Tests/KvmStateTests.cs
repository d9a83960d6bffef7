using System.Buffers.Binary;
using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

public sealed class KvmStateTests
{
    [KvmFact]
    public void CaptureApply_SecondMachine_EverythingEqualAndTheGuestGoesOn()
    {
        using TestGuest first = new();
        first.Program(64, c =>
        {
            c.mov(eax, 7);
            c.@out(0x80, eax);
            // Here the first machine ends, and the second goes on.
            c.add(eax, ebx);
            c.@out(0x81, eax);
        });
        VcpuState state = first.LongMode();
        state.Gpr[3] = 35;
        for (int i = 0; i < 16; i++) if (i is not (3 or 4)) state.Gpr[i] = 0x1111111111111111ul * (ulong)i;
        for (int i = 0; i < 256; i++) state.Xsave[160 + i] = (byte)i; // XMM0 to 15
        BinaryPrimitives.WriteUInt32LittleEndian(state.Xsave.AsSpan(24), 0x1fa0);
        state.Dr[0] = 0x123456;
        state.SetMsr(Msr.LSTAR, 0xffff800000001234);
        state.SetMsr(Msr.IA32_PAT, 0x0407050600070106);
        state.SetMsr(Msr.KERNEL_GS_BASE, 0xffff888000001000);
        state.Fs = state.Fs with { Base = 0x7fff12345000 };
        first.Io.Out = (_, _) => first.Vcpu.Kick();
        first.RunToDone(state);
        Assert.Equal([7ul], first.Io.OutValues(0x80));

        VcpuState captured = new();
        first.Vcpu.Capture(captured);
        Assert.Equal(state.Xsave.AsSpan(160, 256), captured.Xsave.AsSpan(160, 256));
        Assert.Equal(0xffff800000001234, captured.FindMsr(Msr.LSTAR));
        using TestGuest second = new();
        second.LongMode(); // the page tables
        byte[] code = new byte[4096];
        Assert.True(first.Memory.TryCopyOut(new GuestAddress(TestGuest.Code), code));
        Assert.True(second.Memory.TryCopyIn(new GuestAddress(TestGuest.Code), code));
        second.Machine.Restore(first.Machine.Save());
        second.Vcpu.Apply(captured);
        VcpuState again = new();
        second.Vcpu.Capture(again);
        AssertEqual(captured, again);
        Assert.Equal(VcpuExit.Interrupted, second.Run());
        Assert.Equal([42ul], second.Io.OutValues(0x81));
    }

    [KvmFact]
    public void Apply_PendingException_IsDelivered()
    {
        using TestGuest guest = new();
        guest.Assemble(64, TestGuest.Handler + (14 * 16), c =>
        {
            c.pop(rax);
            c.@out(0x82, eax);
            TestGuest.Finish(c);
        });
        guest.Program(64, c => c.nop());
        VcpuState state = guest.LongMode();
        state.Events = new VcpuEvents { ExceptionPending = true, ExceptionVector = 14, ExceptionHasErrorCode = true, ExceptionErrorCode = 2 };
        guest.RunToDone(state);
        Assert.Equal([2ul], guest.Io.OutValues(0x82));
    }

    [KvmFact]
    public void CaptureApply_HaltedVcpu_StaysHaltedUntilAnInterrupt()
    {
        using TestGuest guest = new();
        guest.Assemble(64, TestGuest.Handler + (0x40 * 16), c =>
        {
            c.@out(0x83, al);
            TestGuest.Finish(c);
        });
        guest.Program(64, c =>
        {
            c.mov(rbx, 0xfee00000);
            c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
            c.@out(0x80, al);
            c.sti();
            c.hlt();
        });
        // Kicked once it sleeps, as far as a test can tell.
        using Timer later = new(_ => guest.Vcpu.Kick());
        guest.Io.Out = (port, _) =>
        {
            if (port == 0x80) later.Change(100, Timeout.Infinite);
        };
        guest.RunToDone(guest.LongMode());
        VcpuState state = new();
        guest.Vcpu.Capture(state);
        Assert.Equal(VcpuActivity.Halted, state.Activity);
        guest.Vcpu.Apply(state);
        guest.Machine.Interrupts.Msi.Signal(new MsiMessage(0xfee00000, 0x40), 0);
        Assert.Equal(VcpuExit.Interrupted, guest.Run());
        Assert.Single(guest.Io.OutValues(0x83));
    }

    [KvmFact]
    public void Capture_SecondVcpuNeverStarted_WaitsForSipi()
    {
        using TestGuest guest = new(new KvmOptions { VcpuCount = 2 });
        VcpuState state = new();
        guest.Vcpus[1].Capture(state);
        Assert.Equal(VcpuActivity.WaitForSipi, state.Activity);
        Assert.Equal(0ul, state.ApicBase & 0x100);
        guest.Vcpus[1].Apply(state);
        guest.Vcpus[1].Capture(state);
        Assert.Equal(VcpuActivity.WaitForSipi, state.Activity);
    }

    [KvmFact]
    public void Apply_ImpossibleState_OneClearLine()
    {
        using TestGuest guest = new();
        VcpuState state = guest.LongMode();
        state.Cr4 |= 1ul << 60;
        HypervisorException refused = Assert.Throws<HypervisorException>(() => guest.Vcpu.Apply(state));
        Assert.Equal("KVM: setting the system registers: Invalid argument (EINVAL)", refused.Message);
        VcpuState shortApic = guest.LongMode();
        shortApic.LocalApic = new byte[10];
        Assert.Throws<HypervisorException>(() => guest.Vcpu.Apply(shortApic));
    }

    [KvmFact]
    public void MachineState_SavedAndRestored_IsTheSame()
    {
        using TestGuest guest = new();
        guest.Program(64, c =>
        {
            c.mov(rbx, 0xfec00000);
            c.mov(__dword_ptr[rbx], 0x10 + (2 * 7));
            c.mov(__dword_ptr[rbx + 0x10], 0x10055);
            c.mov(al, 0x34);
            c.@out(0x43, al);
            c.mov(al, 0x77);
            c.@out(0x40, al);
            c.@out(0x40, al);
            c.@out(0x21, al);
        });
        guest.RunToDone(guest.LongMode());
        KvmMachineState saved = guest.Machine.Save();
        using TestGuest second = new();
        second.Machine.Restore(saved);
        KvmMachineState again = second.Machine.Save();
        Assert.Equal(saved.PicMaster, again.PicMaster);
        Assert.Equal(saved.PicSlave, again.PicSlave);
        Assert.Equal(saved.IoApic, again.IoApic);
        Assert.Equal(0x77, again.PicMaster![2]); // IMR
        Assert.Equal(0x10055u, BinaryPrimitives.ReadUInt32LittleEndian(again.IoApic.AsSpan(24 + (7 * 8))));
        Assert.Equal(0x7777u, BinaryPrimitives.ReadUInt32LittleEndian(again.Pit));
        Assert.True(again.ClockNs >= saved.ClockNs);
        Assert.Throws<StateException>(() => second.Machine.Restore(saved with { Version = 9 }));
        Assert.Throws<StateException>(() => second.Machine.Restore(saved with { IoApic = null }));
        Assert.Throws<StateException>(() => second.Machine.Restore(saved with { Pit = new byte[3] }));
    }

    [KvmFact]
    public void DirtyLog_GuestAndDeviceWrites_ExactlyThosePagesThenNone()
    {
        using TestGuest guest = new();
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel();
            c.mov(rbx, TestGuest.Data);
            c.mov(ecx, 20);
            c.Label(ref again);
            c.mov(__dword_ptr[rbx], ecx);
            c.add(rbx, 0x3000);
            c.dec(ecx);
            c.jnz(again);
        });
        VcpuState state = guest.LongMode();
        guest.Machine.SetDirtyLog(true);
        ulong[] bitmap = new ulong[16];
        guest.Machine.CollectDirty(0, bitmap);
        guest.RunToDone(state);
        guest.Memory.TryWrite(new GuestAddress(0x3ff000), 1);
        guest.Machine.CollectDirty(0, bitmap);
        HashSet<ulong> expected = [0x3ff, .. Enumerable.Range(0, 20).Select(i => (TestGuest.Data >> 12) + ((ulong)i * 3))];
        HashSet<ulong> dirty = [.. Enumerable.Range(0, 1024).Where(p => (bitmap[p / 64] & (1ul << (p % 64))) != 0).Select(p => (ulong)p)];
        // The page walk sets accessed and dirty bits: page-table pages may be among them.
        Assert.Subset(new HashSet<ulong>([.. expected, .. Enumerable.Range(1, 6).Select(p => (ulong)p)]), dirty);
        Assert.Superset(expected, dirty);
        guest.Machine.CollectDirty(0, bitmap);
        Assert.All(bitmap, word => Assert.Equal(0ul, word));
        guest.Machine.SetDirtyLog(false);
        Assert.Throws<HypervisorException>(() => guest.Machine.CollectDirty(0, bitmap));
    }

    [KvmFact]
    public void TripleFault_NoIdt_IsReported()
    {
        using TestGuest guest = new();
        guest.Program(64, c => c.ud2());
        VcpuState state = guest.LongMode();
        state.Idtr = new DescriptorTableState(0, 0);
        guest.Vcpu.Apply(state);
        Assert.Equal(VcpuExit.TripleFault, guest.Run());
    }

    private static void AssertEqual(VcpuState expected, VcpuState actual)
    {
        Assert.Equal(expected.Gpr, actual.Gpr);
        Assert.Equal(expected.ToDump(), actual.ToDump());
        Assert.Equal(expected.Events, actual.Events);
        Assert.Equal(expected.Xcr0, actual.Xcr0);
        Assert.Equal(expected.Xsave, actual.Xsave);
        Assert.Equal((expected.Dr6, expected.Dr7), (actual.Dr6, actual.Dr7));
        Assert.Equal(expected.Dr, actual.Dr);
        Assert.Equal(expected.ApicBase, actual.ApicBase);
        Assert.Equal(expected.LocalApic, actual.LocalApic);
        Assert.Equal(expected.TscDeadline, actual.TscDeadline);
        Assert.Equal(expected.Msrs, actual.Msrs);
    }
}
