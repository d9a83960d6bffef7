using Iced.Intel;
using Vmm.Core.Hypervisor;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Once warm, the software CPU allocates nothing: not for instructions, exits, faults or interrupts.</summary>
public sealed class AllocationTests
{
    private const int WarmRuns = 3;

    [Theory]
    [InlineData("mmio")]
    [InlineData("ports")]
    [InlineData("page fault")]
    [InlineData("interrupt")]
    [InlineData("syscall")]
    [InlineData("single step")]
    [InlineData("self-modifying")]
    [InlineData("cr3")]
    public void Loop_OnceWarm_AllocatesNothing(string kind)
    {
        using TinyGuest guest = new(Accelerators.Software);
        guest.Io.Records = false;
        Write(guest, kind);
        VcpuState state = TinyGuest.LongMode();
        if (kind == "single step") state.Rflags |= 0x100;
        for (int i = 0; i < WarmRuns; i++) guest.RunToDone(state);
        guest.Vcpu.Apply(state);
        long before = GC.GetAllocatedBytesForCurrentThread();
        VcpuExit exit = guest.Vcpu.Run(guest.Io);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(VcpuExit.Interrupted, exit);
        Assert.Equal(0, allocated);
    }

    private static void Write(TinyGuest guest, string kind)
    {
        guest.Assemble(64, TinyGuest.Stubs, c => // skips the instruction that faulted: three bytes
        {
            c.add(__qword_ptr[rsp + 8], 3);
            c.add(rsp, 8);
            c.iretq();
        });
        guest.Assemble(64, TinyGuest.Stubs + 0x40, c => c.iretq());
        guest.Assemble(64, TinyGuest.Stubs + 0x80, c =>
        {
            c.mov(r14, TinyGuest.ApicBase);
            c.mov(__dword_ptr[r14 + 0xb0], 0);
            c.iretq();
        });
        guest.Gate64(14, TinyGuest.Stubs);
        guest.Gate64(1, TinyGuest.Stubs + 0x40);
        guest.Gate64(0x80, TinyGuest.Stubs + 0x40);
        guest.Gate64(0x40, TinyGuest.Stubs + 0x80);
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel(), target = c.CreateLabel();
            c.mov(r8, TinyGuest.Mmio);
            c.mov(r9, 0x4000000000);
            c.mov(r10, TinyGuest.ApicBase);
            c.mov(__dword_ptr[r10 + 0xf0], 0x1ff);
            c.lea(rbp, __[target]);
            c.mov(ecx, kind == "cr3" ? 200 : 2000);
            c.mov(edx, 0x1234);
            c.Label(ref again);
            switch (kind)
            {
                case "mmio":
                    c.mov(rax, __[r8]);
                    c.mov(__[r8 + 8], rax);
                    c.add(__dword_ptr[r8 + 0xffe], eax);
                    break;
                case "ports":
                    c.@in(eax, dx);
                    c.@out(dx, al);
                    break;
                case "page fault": c.mov(rax, __[r9]); break;
                case "interrupt":
                    c.mov(__dword_ptr[r10 + 0x300], 0x4040 | (1 << 18));
                    c.sti();
                    c.nop();
                    c.cli();
                    break;
                case "syscall": c.@int(unchecked((sbyte)0x80)); break;
                case "self-modifying": c.mov(__[rbp + 1], ecx); break;
                case "cr3":
                    c.mov(rax, cr3);
                    c.mov(cr3, rax);
                    break;
                default: c.nop(); break;
            }

            c.Label(ref target);
            c.mov(ebx, 5);
            c.dec(ecx);
            c.jne(again);
        });
    }
}
