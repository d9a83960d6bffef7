using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

/// <summary>
/// Ring-0 instructions that a paravirtual KVM gives up on, with the software CPU behind it. Where ring 0 is native the same guests run
/// without help, so only the count differs.
/// </summary>
public sealed class KvmSoftwareEmulatorTests : IDisposable
{
    private readonly SoftwareEmulator _emulator = new(CpuidBuilder.Software(CpuModel.Host).Build(0));

    public void Dispose() => _emulator.Dispose();

    [KvmFact]
    public void Ring0Code_OfManyKinds_GivesTheRightResults()
    {
        using TestGuest guest = new(new KvmOptions { Emulator = _emulator });
        guest.Put(TestGuest.Data + 0x30, TestGuest.KernelData);
        guest.Put(TestGuest.Data + 0x10, 0x1111);
        guest.Put(TestGuest.Data + 0x18, 0x2222);
        guest.Program(64, c =>
        {
            c.mov(rbp, TestGuest.Data);
            c.mov(eax, 0xf0f0f);
            c.popcnt(ebx, eax);
            c.mov(__[rbp], rbx);
            c.crc32(ecx, eax);
            c.stac();
            c.clac();
            c.lar(ecx, __word_ptr[rbp + 0x30]);
            c.mov(__[rbp + 8], rcx);
            c.mov(eax, 0x1111);
            c.mov(edx, 0x2222);
            c.mov(ebx, 0x3333);
            c.mov(ecx, 0x4444);
            c.@lock.cmpxchg16b(__[rbp + 0x10]);
            c.fninit();
            c.fld1();
            c.fld1();
            c.faddp(st1, st0);
            c.fistp(__dword_ptr[rbp + 0x20]);
            c.@out(0x80, al);
        });
        // #UD would end the run at once, and tell where.
        guest.Assemble(64, TestGuest.Handler + (6 * 16), c =>
        {
            c.pop(rax);
            c.@out(0x86, eax);
            TestGuest.Finish(c);
        });
        VcpuState state = guest.LongMode();
        state.Cr8 = 3;
        guest.RunToDone(state);
        Assert.Equal([], guest.Io.OutValues(0x86).Select(rip => $"#UD at 0x{rip:x}"));
        Assert.Equal(12ul, guest.Get(TestGuest.Data));
        Assert.Equal(0xcf9300ul, guest.Get(TestGuest.Data + 8));
        Assert.Equal((0x3333ul, 0x4444ul), (guest.Get(TestGuest.Data + 0x10), guest.Get(TestGuest.Data + 0x18)));
        Assert.Equal(2ul, guest.Get(TestGuest.Data + 0x20));
        guest.Vcpu.Capture(state);
        Assert.Equal(3, state.Cr8);
        Assert.True(!TestGuest.Ring0IsInterpreted || guest.Vcpu.EmulatedInstructions >= 8, $"{guest.Vcpu.EmulatedInstructions} emulated");
    }

    [KvmFact]
    public void Ring0Breakpoint_IsDeliveredThroughTheIdt()
    {
        using TestGuest guest = new(new KvmOptions { Emulator = _emulator });
        guest.Assemble(64, TestGuest.Handler + (3 * 16), c =>
        {
            c.@out(0x83, al);
            c.iretq();
        });
        guest.Program(64, c =>
        {
            c.int3();
            c.@out(0x80, al);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal([0x83ul, 0x80ul], guest.Io.Log.Select(a => a.Address));
    }

    [KvmFact]
    public void EmulatedSse_GuestUsesAvx_UpperHalvesAndXcr0Stay()
    {
        using TestGuest guest = new(new KvmOptions { Emulator = _emulator });
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel();
            c.mov(ecx, 10);
            c.mov(rbx, TestGuest.Mmio);
            c.Label(ref again);
            c.popcnt(eax, __dword_ptr[rbx]); // fails in every KVM
            c.dec(ecx);
            c.jnz(again);
        });
        const int avxOffset = 576;
        const ulong x87SseAvx = 7;
        VcpuState state = guest.LongMode();
        state.Xcr0 = x87SseAvx;
        state.Cr4 |= 1 << 18; // OSXSAVE
        state.Xsave[512] = (byte)x87SseAvx;
        for (int i = 0; i < 256; i++) state.Xsave[avxOffset + i] = (byte)(i + 1);
        byte[] upper = state.Xsave[avxOffset..(avxOffset + 256)];
        guest.RunToDone(state);
        Assert.Equal(10, guest.Vcpu.EmulatedInstructions);
        guest.Vcpu.Capture(state);
        Assert.Equal(x87SseAvx, state.Xcr0);
        Assert.Equal(upper, state.Xsave[avxOffset..(avxOffset + 256)]);
    }
}
