using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>What a paravirtual KVM cannot execute in ring 0 and the software CPU does for it: the save area that every kernel switches tasks with.</summary>
public sealed class KvmRepairTests
{
    private const ulong OsXsave = 1 << 18, X87SseAvx = 7, Packed = TinyGuest.Data + 0x1000;
    private const int AvxOffset = 576, AvxBytes = 256;

    [KvmFact]
    public void Xsave_OfRing0_SavesPacksAndRestoresEveryRegister()
    {
        using SoftwareEmulator emulator = new(CpuidBuilder.Software(CpuModel.Host).Build(0));
        using TinyGuest guest = new(Accelerators.Kvm, emulator: emulator);
        guest.Program(64, c =>
        {
            c.mov(rbx, TinyGuest.Data);
            c.mov(rbp, Packed);
            c.xor(ecx, ecx);
            c.xgetbv();
            c.mov(r8, rax);
            c.mov(eax, (int)X87SseAvx);
            c.xor(edx, edx);
            c.stac();
            c.xsave64(__[rbx]);
            c.xsavec64(__[rbp]);
            c.clac();
            c.mov(r9, __[rbp + AvxOffset]);
            c.mov(rax, 0x1122334455667788);
            c.mov(__[rbx + AvxOffset], rax);
            c.mov(eax, 4);
            c.xrstor64(__[rbx]);
        });
        VcpuState state = TinyGuest.LongMode();
        state.Xcr0 = X87SseAvx;
        state.Cr4 |= OsXsave;
        state.Xsave[512] = (byte)X87SseAvx;
        for (int i = 0; i < AvxBytes; i++) state.Xsave[AvxOffset + i] = (byte)(i + 1);
        guest.RunToDone(state);
        VcpuState after = guest.Capture();
        Assert.Equal((X87SseAvx, 0x0807060504030201ul), (after.Gpr[8], after.Gpr[9]));
        Assert.Equal(0x1122334455667788ul, BitConverter.ToUInt64(after.Xsave, AvxOffset));
        Assert.Equal(state.Xsave[(AvxOffset + 8)..(AvxOffset + AvxBytes)], after.Xsave[(AvxOffset + 8)..(AvxOffset + AvxBytes)]);
        Assert.Equal(0x0807060504030201ul, guest.Get(Packed + AvxOffset));
    }
}
