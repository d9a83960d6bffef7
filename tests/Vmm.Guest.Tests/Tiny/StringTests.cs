using Iced.Intel;
using Vmm.Core.Hypervisor;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Repeated string instructions: directions, overlaps, and where a fault finds the counters.</summary>
public sealed class StringTests
{
    private const ulong Page = 0x5_0000_0000, Frame = 0x180000;

    [Theory]
    [OnSoftware(0, 1, false)]
    [OnKvm(0, 1, false)]
    [OnSoftware(1, 0, false)]
    [OnSoftware(0, 7, true)]
    [OnKvm(0, 7, true)]
    [OnSoftware(0, 64, false)]
    [OnSoftware(100, 0, true)]
    public void Movsb_OverlappingRanges_GoesByteByByte(string accelerator, int from, int to, bool backward)
    {
        const int Count = 200;
        using TinyGuest guest = new(accelerator);
        byte[] memory = [.. Enumerable.Range(0, 512).Select(i => (byte)(i * 7))];
        guest.Memory.TryCopyIn(new Core.Memory.GuestAddress(TinyGuest.Data), memory);
        int step = backward ? -1 : 1, first = backward ? Count : 0;
        guest.Program(64, c =>
        {
            if (backward) c.std();
            else c.cld();
            c.mov(rsi, TinyGuest.Data + (ulong)(from + first));
            c.mov(rdi, TinyGuest.Data + (ulong)(to + first));
            c.mov(ecx, Count);
            c.rep.movsb();
            c.cld();
        });
        guest.RunToDone(TinyGuest.LongMode());
        for (int i = 0; i < Count; i++) memory[to + first + (i * step)] = memory[from + first + (i * step)];
        byte[] result = new byte[memory.Length];
        guest.Memory.TryCopyOut(new Core.Memory.GuestAddress(TinyGuest.Data), result);
        Assert.Equal(memory, result);
        VcpuState state = guest.Capture();
        Assert.Equal((0ul, TinyGuest.Data + (ulong)(from + first + (Count * step))), (state.Gpr[1], state.Gpr[6]));
    }

    [Theory]
    [OnSoftware("movsq", false)]
    [OnKvm("movsq", false)]
    [OnSoftware("movsq", true)]
    [OnKvm("movsq", true)]
    [OnSoftware("stosb", false)]
    [OnKvm("stosb", false)]
    [OnSoftware("stosb", true)]
    [OnSoftware("lodsb", false)]
    [OnSoftware("scasb", false)]
    [OnSoftware("cmpsb", false)]
    [OnSoftware("insb", false)]
    public void PageFault_InTheMiddle_LeavesTheCountersAtTheElement(string accelerator, string instruction, bool backward)
    {
        int size = instruction == "movsq" ? 8 : 1;
        const int Count = 64, Before = 10;
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages();
        ulong present = backward ? Page + 0x1000 : Page;
        guest.Map(root, present, Frame | 7);
        guest.RecordFaults64();
        // Ten elements fit.
        ulong start = backward ? Page + 0x1000 + (ulong)((Before - 1) * size) : Page + 0x1000 - (ulong)(Before * size);
        Label faulting = default, next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            faulting = c.CreateLabel();
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            if (backward) c.std();
            c.mov(edx, 0x1234);
            c.xor(eax, eax);
            c.mov(rdi, instruction == "lodsb" ? TinyGuest.Data : start);
            c.mov(rsi, instruction == "lodsb" ? start : TinyGuest.Data + 0x800);
            c.mov(ecx, Count);
            c.Label(ref faulting);
            switch (instruction)
            {
                case "movsq": c.rep.movsq(); break;
                case "stosb": c.rep.stosb(); break;
                case "lodsb": c.rep.lodsb(); break;
                case "scasb": c.repe.scasb(); break;
                case "cmpsb": c.repe.cmpsb(); break;
                default: c.rep.insb(); break;
            }

            c.Label(ref next);
            c.cld();
        });
        guest.RunToDone(TinyGuest.LongMode(0, root));
        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal((14ul, code.GetLabelRIP(faulting)), (fault.Vector, fault.Rip));
        ulong missing = backward ? Page + 0x1000 - (ulong)size : Page + 0x1000;
        Assert.Equal(missing, fault.Cr2);
        VcpuState state = guest.Capture();
        Assert.Equal((ulong)(Count - Before), state.Gpr[1]);
        Assert.Equal(missing, instruction == "lodsb" ? state.Gpr[6] : state.Gpr[7]);
        if (instruction == "insb") Assert.Equal(Before, guest.Io.Log.Count(a => a.Kind == TinyIo.Kind.PortIn));
    }
}
