using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Host;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Ports, MMIO, doorbells, and code that changes.</summary>
public sealed class IoTests
{
    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Ports_OfEveryWidth_ReachTheHost(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Program(64, c =>
        {
            c.mov(eax, 0x44332211);
            c.mov(edx, 0x1234);
            c.@out(dx, al);
            c.@out(dx, ax);
            c.@out(dx, eax);
            c.mov(rax, -1);
            c.@in(al, dx);
            c.mov(r8, rax);
            c.@in(ax, dx);
            c.mov(r9, rax);
            c.@in(eax, dx);
            c.mov(r10, rax);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal([(1, 0x11ul), (2, 0x2211ul), (4, 0x44332211ul)], guest.Io.Log.Where(a => a.Kind == TinyIo.Kind.PortOut).Select(a => (a.Size, a.Value)));
        VcpuState state = guest.Capture();
        Assert.Equal((0xffffffffffffff11ul, 0xffffffffffff2211ul, 0x44332211ul), (state.Gpr[8], state.Gpr[9], state.Gpr[10]));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void StringPorts_Repeated_MoveEveryElement(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Put(TinyGuest.Data, 0x0807060504030201);
        guest.Program(64, c =>
        {
            c.cld();
            c.mov(edx, 0x1234);
            c.mov(rsi, TinyGuest.Data);
            c.mov(ecx, 4);
            c.rep.outsw();
            c.mov(rdi, TinyGuest.Data + 0x100);
            c.mov(ecx, 3);
            c.rep.insd();
            c.mov(r8, rsi);
            c.mov(r9, rdi);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal([0x0201ul, 0x0403, 0x0605, 0x0807], guest.Io.Outs(0x1234));
        Assert.Equal((0x4433221144332211ul, 0x44332211ul), (guest.Get(TinyGuest.Data + 0x100), guest.Get(TinyGuest.Data + 0x108)));
        VcpuState state = guest.Capture();
        Assert.Equal((TinyGuest.Data + 8, TinyGuest.Data + 0x10c, 0ul), (state.Gpr[8], state.Gpr[9], state.Gpr[1]));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Mmio_OfEveryWidth_ReachesTheHost(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Program(64, c =>
        {
            c.mov(rbx, TinyGuest.Mmio);
            c.mov(rax, 0x8877665544332211);
            c.mov(__byte_ptr[rbx], al);
            c.mov(__word_ptr[rbx + 2], ax);
            c.mov(__dword_ptr[rbx + 4], eax);
            c.mov(__qword_ptr[rbx + 8], rax);
            c.mov(__dword_ptr[rbx + 0x11], eax); // not aligned
            c.movzx(r8d, __byte_ptr[rbx]);
            c.movzx(r9d, __word_ptr[rbx]);
            c.mov(r10d, __dword_ptr[rbx]);
            c.mov(r11, __qword_ptr[rbx]);
            c.add(__dword_ptr[rbx + 0x20], 1);
        });
        guest.RunToDone(TinyGuest.LongMode());
        (ulong, int, ulong)[] writes = [.. guest.Io.Log.Where(a => a.Kind == TinyIo.Kind.MmioWrite).Select(a => (a.Address - TinyGuest.Mmio, a.Size, a.Value))];
        Assert.Equal([(0ul, 1, 0x11ul), (2, 2, 0x2211), (4, 4, 0x44332211), (8, 8, 0x8877665544332211)], writes[..4]);
        Assert.Equal((0x20ul, 4, 0x44332212ul), writes[^1]);
        VcpuState state = guest.Capture();
        Assert.Equal((0x11ul, 0x2211ul, 0x44332211ul, 0x8877665544332211ul), (state.Gpr[8], state.Gpr[9], state.Gpr[10], state.Gpr[11]));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Mmio_AcrossAPage_NeverReachesTheHostInOnePiece(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Program(64, c =>
        {
            c.mov(rbx, TinyGuest.Mmio + 0xffd);
            c.mov(rax, 0x8877665544332211);
            c.mov(__qword_ptr[rbx], rax);
        });
        guest.RunToDone(TinyGuest.LongMode());
        byte[] bytes = new byte[8];
        foreach (TinyIo.Access access in guest.Io.Log.Where(a => a.Kind == TinyIo.Kind.MmioWrite))
        {
            ulong offset = access.Address - TinyGuest.Mmio;
            Assert.Equal(offset >> 12, (offset + (ulong)access.Size - 1) >> 12);
            for (int i = 0; i < access.Size; i++) bytes[(int)(offset - 0xffd) + i] = (byte)(access.Value >> (i * 8));
        }

        Assert.Equal(0x8877665544332211ul, BitConverter.ToUInt64(bytes));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Doorbell_MatchingWrites_SignalTheEventFd(string accelerator)
    {
        using EventFd bell = new();
        using TinyGuest guest = new(accelerator);
        Assert.True(guest.Machine.TryBindDoorbell(TinyGuest.Mmio, 7, 4, bell.Fd));
        guest.Program(64, c =>
        {
            c.mov(rbx, TinyGuest.Mmio);
            c.mov(__dword_ptr[rbx], 7);
            c.mov(__dword_ptr[rbx], 8);
            c.mov(__dword_ptr[rbx], 7);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(2ul, bell.Drain());
        Assert.Equal([8ul], guest.Io.Log.Select(a => a.Value));
        guest.Machine.UnbindDoorbell(TinyGuest.Mmio, 7, 4, bell.Fd);
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(0ul, bell.Drain());
    }

    /// <summary>A store changes the immediate of an instruction: the next one, one in another block, and through another mapping.</summary>
    [Theory]
    [OnSoftware("next", 0ul)]
    [OnKvm("next", 0ul)]
    [OnSoftware("routine", 0ul)]
    [OnKvm("routine", 0ul)]
    [OnSoftware("routine", 0x2_0000_0000ul)]
    [OnKvm("routine", 0x2_0000_0000ul)]
    public void SelfModifyingCode_TakesEffect(string accelerator, string where, ulong alias)
    {
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages();
        if (alias != 0) guest.Map(root, alias, TinyGuest.Code | 7);
        Label target = default;
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel(), routine = c.CreateLabel(), start = c.CreateLabel();
            target = c.CreateLabel();
            c.jmp(start);
            c.Label(ref routine);
            c.nop();
            if (where == "routine")
            {
                c.Label(ref target);
                c.mov(eax, 0x11);
                c.ret();
            }

            c.Label(ref start);
            c.xor(r8d, r8d);
            c.xor(ecx, ecx);
            c.lea(rbx, __[target]);
            c.mov(rdx, alias == 0 ? 0 : alias - TinyGuest.Code);
            c.add(rbx, rdx);
            c.Label(ref again);
            c.inc(ecx);
            c.mov(__[rbx + 1], ecx);
            if (where == "next")
            {
                c.Label(ref target);
                c.mov(eax, 0x11);
            }
            else
            {
                c.call(routine);
            }

            c.add(r8, rax);
            c.cmp(ecx, 50);
            c.jne(again);
        });
        guest.RunToDone(TinyGuest.LongMode(0, root));
        Assert.Equal(50ul * 51 / 2, guest.Capture().Gpr[8]);
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void CodeWrittenByADevice_Runs(string accelerator)
    {
        const ulong Routine = 0x15000;
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, Routine, c =>
        {
            c.mov(eax, 1);
            c.ret();
        });
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel();
            c.xor(r8d, r8d);
            c.mov(ecx, 20);
            c.Label(ref again);
            c.call(Routine);
            c.add(r8, rax);
            c.@out(unchecked((sbyte)0x80), al);
            c.dec(ecx);
            c.jne(again);
        });
        guest.Io.Out = (_, value) => guest.Memory.TryWrite(new Core.Memory.GuestAddress(Routine + 1), (byte)(value + 1));
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(20ul * 21 / 2, guest.Capture().Gpr[8]);
    }
}
