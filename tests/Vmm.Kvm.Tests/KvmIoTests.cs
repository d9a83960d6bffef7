using Vmm.Core.Hypervisor;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

public sealed class KvmIoTests
{
    [KvmFact]
    public void RealMode_PortsOfEachSize_ArriveWithTheirValues()
    {
        using TestGuest guest = new();
        guest.Program(16, c =>
        {
            c.mov(dx, 0x1234);
            c.mov(eax, 0x11223344);
            c.@out(dx, al);
            c.@out(dx, ax);
            c.@out(dx, eax);
            c.@in(al, dx);
            c.@in(ax, dx);
            c.@in(eax, dx);
            c.mov(dx, 0x80);
            c.@out(dx, eax);
        });
        guest.RunToDone(TestGuest.RealMode());
        Assert.Equal(
        [
            new TestIo.Access(TestIo.Kind.PortOut, 0x1234, 1, 0x44),
            new TestIo.Access(TestIo.Kind.PortOut, 0x1234, 2, 0x3344),
            new TestIo.Access(TestIo.Kind.PortOut, 0x1234, 4, 0x11223344),
            new TestIo.Access(TestIo.Kind.PortIn, 0x1234, 1, 0),
            new TestIo.Access(TestIo.Kind.PortIn, 0x1234, 2, 0),
            new TestIo.Access(TestIo.Kind.PortIn, 0x1234, 4, 0),
            new TestIo.Access(TestIo.Kind.PortOut, 0x80, 4, 0x44332211),
        ], guest.Io.Log);
    }

    [KvmFact]
    public void ProtectedMode_Out_Arrives()
    {
        using TestGuest guest = new();
        guest.Program(32, c =>
        {
            c.mov(edx, 0x1234);
            c.mov(eax, __[0x100000]);
            c.@out(dx, eax);
        });
        guest.Put(TestGuest.Data, 0xcafebabe);
        guest.RunToDone(TestGuest.ProtectedMode());
        Assert.Equal([0xcafebabeul], guest.Io.OutValues(0x1234));
    }

    [KvmFact]
    public void RealMode_GuestSwitchesToProtectedAndLongMode_EachModeReports()
    {
        const ulong protectedCode = TestGuest.Code + 0x100;
        const ulong longCode = TestGuest.Code + 0x200;
        using TestGuest guest = new();
        VcpuState longMode = guest.LongMode(); // for its page tables and its GDT
        // The GDT has 64-bit code at 8 and flat data at 0x10; its last entry becomes 32-bit code for the way.
        guest.Put(longMode.Gdtr.Base + 0x20, 0x00cf9b000000ffff);
        guest.Memory.TryWrite(new Core.Memory.GuestAddress(0x600), (ushort)0x27);
        guest.Memory.TryWrite(new Core.Memory.GuestAddress(0x602), (uint)longMode.Gdtr.Base);
        guest.Assemble(16, TestGuest.Code, c =>
        {
            c.lgdt(__[0x600]);
            c.mov(eax, cr0);
            c.or(eax, 1);
            c.mov(cr0, eax);
            c.db(0x66, 0xea, (byte)(protectedCode & 0xff), (byte)(protectedCode >> 8 & 0xff), (byte)(protectedCode >> 16), 0, 0x20, 0);
        });
        guest.Assemble(32, protectedCode, c =>
        {
            c.mov(eax, 0x10);
            c.mov(ds, ax);
            c.mov(ss, ax);
            c.mov(eax, 0x32);
            c.@out(0x80, eax);
            c.mov(eax, (uint)longMode.Cr4);
            c.mov(cr4, eax);
            c.mov(eax, (uint)longMode.Cr3);
            c.mov(cr3, eax);
            c.mov(ecx, Msr.EFER);
            c.xor(edx, edx);
            c.mov(eax, 0x100); // LME
            c.wrmsr();
            c.mov(eax, (uint)longMode.Cr0);
            c.mov(cr0, eax);
            c.db(0xea, (byte)(longCode & 0xff), (byte)(longCode >> 8 & 0xff), (byte)(longCode >> 16), 0, 8, 0);
        });
        guest.Assemble(64, longCode, c =>
        {
            c.mov(rax, 0x6464646464646464);
            c.shr(rax, 32);
            c.@out(0x80, eax);
            TestGuest.Finish(c);
        });
        VcpuState start = TestGuest.RealMode();
        guest.RunToDone(start);
        Assert.Equal([0x32ul, 0x64646464ul], guest.Io.OutValues(0x80));
        guest.Vcpu.Capture(start);
        Assert.Equal(0x500ul, start.Efer & 0x500); // LME and LMA
        Assert.True(start.Cs.Attributes.HasFlag(SegmentAttributes.L));
    }

    [KvmFact]
    public void RepOutsb_ManyBytes_AllArriveInOrder()
    {
        using TestGuest guest = new();
        byte[] text = [.. Enumerable.Range(0, 3000).Select(i => (byte)(i * 7))];
        guest.Memory.TryCopyIn(new Core.Memory.GuestAddress(TestGuest.Data), text);
        guest.Program(64, c =>
        {
            c.mov(edx, 0x402);
            c.mov(rsi, TestGuest.Data);
            c.mov(ecx, text.Length);
            c.rep.outsb();
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal(text.Select(b => (ulong)b), guest.Io.OutValues(0x402));
    }

    [KvmFact]
    public void RepInsw_FromPort_FillsMemory()
    {
        using TestGuest guest = new();
        guest.Program(64, c =>
        {
            c.mov(edx, 0x1f0);
            c.mov(rdi, TestGuest.Data);
            c.mov(ecx, 256);
            c.rep.insw();
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal(0x2211221122112211ul, guest.Get(TestGuest.Data));
        Assert.Equal(0x2211221122112211ul, guest.Get(TestGuest.Data + 504));
        Assert.Equal(0ul, guest.Get(TestGuest.Data + 512));
    }

    [KvmTheory]
    [InlineData(0)]
    [InlineData(3)]
    public void LongMode_MmioOfEachSize_ArrivesAndReads(int cpl)
    {
        using TestGuest guest = new();
        guest.Assemble(64, TestGuest.Code, c =>
        {
            c.mov(rbx, TestGuest.Mmio);
            c.mov(rax, 0x1122334455667788);
            c.mov(__byte_ptr[rbx], al);
            c.mov(__word_ptr[rbx + 2], ax);
            c.mov(__dword_ptr[rbx + 4], eax);
            c.mov(__qword_ptr[rbx + 8], rax);
            c.mov(rcx, __qword_ptr[rbx + 16]);
            c.movzx(edx, __byte_ptr[rbx + 24]);
            c.mov(rbp, TestGuest.Data);
            c.mov(__[rbp], rcx);
            c.mov(__[rbp + 8], rdx);
            c.mov(__dword_ptr[rbx + 0xff0], eax);
            Iced.Intel.Label spin = c.CreateLabel();
            c.Label(ref spin);
            c.mov(__dword_ptr[rbx + 0xff8], eax);
            c.jmp(spin);
        });
        EndAt end = new(guest, TestGuest.Mmio + 0xff8);
        guest.Vcpu.Apply(guest.LongMode(cpl));
        Assert.Equal(VcpuExit.Interrupted, guest.Run(io: end));
        Assert.Equal(
        [
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio, 1, 0x88),
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio + 2, 2, 0x7788),
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio + 4, 4, 0x55667788),
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio + 8, 8, 0x1122334455667788),
            new TestIo.Access(TestIo.Kind.MmioRead, TestGuest.Mmio + 16, 8, 0),
            new TestIo.Access(TestIo.Kind.MmioRead, TestGuest.Mmio + 24, 1, 0),
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio + 0xff0, 4, 0x55667788),
        ], guest.Io.Log);
        Assert.Equal(0x8877665544332211ul, guest.Get(TestGuest.Data));
        Assert.Equal(0x11ul, guest.Get(TestGuest.Data + 8));
    }

    [KvmFact]
    public void Rom_Written_WriteLeavesAndBytesStay()
    {
        using TestGuest guest = new();
        guest.Put(TestGuest.Rom, 0x1234567890abcdef);
        guest.Program(64, c =>
        {
            c.mov(rbx, TestGuest.Rom);
            c.mov(rax, __[rbx]);
            c.mov(edx, 0x80);
            c.@out(dx, eax);
            c.mov(__dword_ptr[rbx], 0);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal(
        [
            new TestIo.Access(TestIo.Kind.PortOut, 0x80, 4, 0x90abcdef),
            new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Rom, 4, 0),
        ], guest.Io.Log);
        Assert.Equal(0x1234567890abcdeful, guest.Get(TestGuest.Rom));
    }

    [KvmFact]
    public void Doorbell_MatchingWrites_SignalTheEventFdOthersLeave()
    {
        using TestGuest guest = new();
        using Host.EventFd any = new();
        using Host.EventFd seven = new();
        Assert.True(guest.Machine.TryBindDoorbell(TestGuest.Mmio, null, 0, any.Fd));
        Assert.True(guest.Machine.TryBindDoorbell(TestGuest.Mmio + 4, 7, 4, seven.Fd));
        Assert.False(guest.Machine.TryBindDoorbell(TestGuest.Mmio + 8, 7, 0, seven.Fd));
        guest.Program(64, c =>
        {
            c.mov(rbx, TestGuest.Mmio);
            c.mov(__word_ptr[rbx], 1);
            c.mov(__dword_ptr[rbx], 2);
            c.mov(__dword_ptr[rbx + 4], 7);
            c.mov(__dword_ptr[rbx + 4], 8);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal((2ul, 1ul), (any.Drain(), seven.Drain()));
        Assert.Equal([new TestIo.Access(TestIo.Kind.MmioWrite, TestGuest.Mmio + 4, 4, 8)], guest.Io.Log);
        guest.Machine.UnbindDoorbell(TestGuest.Mmio + 4, 7, 4, seven.Fd);
        guest.RunToDone(guest.LongMode());
        Assert.Equal((2ul, 0ul), (any.Drain(), seven.Drain()));
    }

    [KvmFact]
    public void Exits_OnceWarm_AllocateNothing()
    {
        using TestGuest guest = new();
        guest.Assemble(64, TestGuest.Code, c =>
        {
            c.mov(rbx, TestGuest.Mmio);
            Iced.Intel.Label again = c.CreateLabel();
            c.Label(ref again);
            c.@out(0x80, al);
            c.mov(__dword_ptr[rbx], eax);
            c.mov(ecx, __dword_ptr[rbx + 4]);
            c.jmp(again);
        });
        AllocationIo io = new(guest.Vcpu);
        guest.Vcpu.Apply(guest.LongMode());
        Assert.Equal(VcpuExit.Interrupted, guest.Run(io: io));
        Assert.Equal(0, io.AllocatedBytes);
    }

    private sealed class AllocationIo(KvmVcpu vcpu) : IVcpuIo
    {
        private int _exits;
        private long _start;

        public long AllocatedBytes { get; private set; } = -1;

        public void PortIn(ushort port, Span<byte> data) => Count();

        public void PortOut(ushort port, ReadOnlySpan<byte> data) => Count();

        public void MmioRead(ulong gpa, Span<byte> data) => Count();

        public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) => Count();

        private void Count()
        {
            _exits++;
            if (_exits == 1000) _start = GC.GetAllocatedBytesForCurrentThread();
            if (_exits != 4000) return;
            AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - _start;
            vcpu.Kick();
        }
    }

    // Port writes at CPL 3 need an I/O bitmap: an MMIO write ends the run instead.
    private sealed class EndAt(TestGuest guest, ulong end) : IVcpuIo
    {
        public void PortIn(ushort port, Span<byte> data) => guest.Io.PortIn(port, data);

        public void PortOut(ushort port, ReadOnlySpan<byte> data) => guest.Io.PortOut(port, data);

        public void MmioRead(ulong gpa, Span<byte> data) => guest.Io.MmioRead(gpa, data);

        public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data)
        {
            if (gpa == end) guest.Vcpu.Kick();
            else guest.Io.MmioWrite(gpa, data);
        }
    }
}
