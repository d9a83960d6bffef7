using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Cpu.State;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Cpu.Tests.Xsave;

/// <summary>The XSAVE family as the emulator behind KVM executes it: on the state that KVM handed over.</summary>
public sealed class XsaveEmulationTests : IDisposable
{
    private const ulong Code = 0x1000, Area = 0x2000, OsXsave = 1 << 18;
    private const int XmmOffset = 160, AvxOffset = 576, HeaderOffset = 512, AvxBytes = 256, MxcsrMaskOffset = 28;

    private readonly TestMemory _memory = new(0x10000);
    private readonly SoftwareEmulator _emulator = new(CpuidBuilder.Software(CpuModel.Host).Build(0));

    public void Dispose()
    {
        _emulator.Dispose();
        _memory.Dispose();
    }

    [Fact]
    public void Xsave_ThenXrstor_BringsEveryComponentBack()
    {
        VcpuState state = Start();
        Run(state, c => c.xsave64(__[rbx]));
        Assert.Equal(7ul, Get(Area + HeaderOffset));
        Assert.Equal(state.Xsave[XmmOffset..(XmmOffset + 256)], Bytes(Area + XmmOffset, 256));
        Assert.Equal(state.Xsave[AvxOffset..(AvxOffset + AvxBytes)], Bytes(Area + AvxOffset, AvxBytes));
        byte[] xmm = state.Xsave[XmmOffset..(XmmOffset + 256)], avx = state.Xsave[AvxOffset..(AvxOffset + AvxBytes)];
        Array.Clear(state.Xsave, XmmOffset, 256);
        Array.Clear(state.Xsave, AvxOffset, AvxBytes);
        Run(state, c => c.xrstor64(__[rbx]));
        Assert.Equal(xmm, state.Xsave[XmmOffset..(XmmOffset + 256)]);
        Assert.Equal(avx, state.Xsave[AvxOffset..(AvxOffset + AvxBytes)]);
    }

    [Fact]
    public void Xsavec_WithoutSse_PacksAndXrstorUnpacks()
    {
        VcpuState state = Start();
        state.Gpr[0] = ExtendedState.Avx;
        byte[] avx = state.Xsave[AvxOffset..(AvxOffset + AvxBytes)];
        Run(state, c => c.xsavec64(__[rbx]));
        Assert.Equal((ExtendedState.Avx, ExtendedState.Avx | ExtendedState.Compacted), (Get(Area + HeaderOffset), Get(Area + HeaderOffset + 8)));
        Assert.Equal(new byte[16], Bytes(Area + XmmOffset, 16));
        Array.Clear(state.Xsave, AvxOffset, AvxBytes);
        Run(state, c => c.xrstor64(__[rbx]));
        Assert.Equal(avx, state.Xsave[AvxOffset..(AvxOffset + AvxBytes)]);
    }

    [Fact]
    public void Xrstor_OfWhatIsNotPresent_MakesItInitial()
    {
        VcpuState state = Start();
        Put(Area + HeaderOffset, ExtendedState.Sse);
        Run(state, c => c.xrstor64(__[rbx]));
        Assert.Equal(new byte[AvxBytes], state.Xsave[AvxOffset..(AvxOffset + AvxBytes)]);
        Assert.Equal(0ul, BitConverter.ToUInt64(state.Xsave, HeaderOffset) & ExtendedState.Avx);
        Assert.Equal(0x37f, BitConverter.ToUInt16(state.Xsave, 0));
    }

    [Fact]
    public void Xgetbv_GivesXcr0()
    {
        VcpuState state = Start();
        Run(state, c => c.xgetbv());
        Assert.Equal((7ul, 0ul), (state.Gpr[0], state.Gpr[2]));
    }

    [Theory]
    [InlineData("closed", 6)]
    [InlineData("misaligned", 13)]
    [InlineData("unknown component", 13)]
    [InlineData("bad format", 13)]
    [InlineData("bad mxcsr", 13)]
    public void Xrstor_OfABadArea_FaultsAndChangesNothing(string what, int vector)
    {
        VcpuState state = Start();
        Put(Area + HeaderOffset, what == "unknown component" ? 0x100ul : 7);
        if (what == "bad format") Put(Area + HeaderOffset + 8, 1);
        if (what == "bad mxcsr") Put(Area + 24, 0xffffffff);
        if (what == "misaligned") state.Gpr[3] += 16;
        if (what == "closed") state.Cr4 &= ~OsXsave;
        byte[] before = [.. state.Xsave];
        Run(state, c => c.xrstor64(__[rbx]));
        Assert.Equal(0x5000ul + (ulong)vector, state.Rip);
        Assert.Equal(before, state.Xsave);
    }

    private VcpuState Start()
    {
        VcpuState state = new()
        {
            Cr0 = 0x33,
            Cr4 = 0x620 | OsXsave,
            Xcr0 = 7,
            Efer = 0xd00,
            Rip = Code,
            Cs = Flat(8, SegmentAttributes.Code | SegmentAttributes.L),
            Ss = Flat(16, SegmentAttributes.DB),
            Idtr = new DescriptorTableState(0x3000, 0xfff),
            Gdtr = new DescriptorTableState(0x4000, 0x1f),
        };
        state.Gpr[0] = 7;
        state.Gpr[3] = Area;
        state.Gpr[4] = 0x9000;
        state.Xsave[HeaderOffset] = 7;
        state.Xsave[MxcsrMaskOffset] = state.Xsave[MxcsrMaskOffset + 1] = 0xff;
        for (int i = 0; i < 256; i++) (state.Xsave[XmmOffset + i], state.Xsave[AvxOffset + i]) = ((byte)(i + 1), (byte)(200 - i));
        Put(0x4008, 0x00af9b000000ffff);
        for (ulong vector = 0; vector < 32; vector++) Put(0x3000 + (vector * 16), (0x5000 + vector) | (8ul << 16) | (0x8e00ul << 32));
        Put(Area + 24, 0x1f80);
        return state;
    }

    private void Run(VcpuState state, Action<Assembler> write)
    {
        Assembler c = new(64);
        write(c);
        using MemoryStream bytes = new();
        c.Assemble(new StreamCodeWriter(bytes), Code);
        Assert.True(_memory.Memory.TryCopyIn(new GuestAddress(Code), bytes.ToArray()));
        state.Rip = Code;
        EmulationResult result = _emulator.ExecuteOne(state, _memory.Memory, NoIo.Instance);
        Assert.True(result.IsDone, result.FailureReason);
    }

    private static SegmentState Flat(ushort selector, SegmentAttributes more) => new(selector, 0, 0xffffffff,
        SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G | SegmentAttributes.Accessed | SegmentAttributes.WritableOrReadable | more);

    private void Put(ulong at, ulong value) => Assert.True(_memory.Memory.TryWrite(new GuestAddress(at), value));

    private ulong Get(ulong at)
    {
        Assert.True(_memory.Memory.TryRead(new GuestAddress(at), out ulong value));
        return value;
    }

    private byte[] Bytes(ulong at, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(_memory.Memory.TryCopyOut(new GuestAddress(at), bytes));
        return bytes;
    }
}
