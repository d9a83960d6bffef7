using Vmm.Core.Hypervisor;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm.Tests;

public sealed class KvmStateCodecTests
{
    private const SegmentAttributes AllAttributes = SegmentAttributes.TypeMask | SegmentAttributes.S | SegmentAttributes.DplMask | SegmentAttributes.Present
        | SegmentAttributes.AVL | SegmentAttributes.L | SegmentAttributes.DB | SegmentAttributes.G | SegmentAttributes.Unusable;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void EncodeDecode_RandomState_IsTheSame(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 1000; round++)
        {
            VcpuState state = RandomState(random);
            KvmStateCodec.Encode(state, out KvmRegs regs);
            KvmStateCodec.Encode(state, out KvmSregs sregs);
            KvmStateCodec.Encode(state, out KvmVcpuEvents events);
            VcpuState back = new();
            KvmStateCodec.Decode(regs, back);
            KvmStateCodec.Decode(sregs, back);
            KvmStateCodec.Decode(events, back);
            Assert.Equal(state.Gpr, back.Gpr);
            Assert.Equal(state.ToDump(), back.ToDump());
            Assert.Equal(state.ApicBase, back.ApicBase);
            Assert.Equal(state.Events, back.Events);
        }
    }

    [Fact]
    public void Encode_GeneralRegisters_InTheKernelsOrder()
    {
        VcpuState state = new();
        for (int i = 0; i < 16; i++) state.Gpr[i] = (ulong)i;
        KvmStateCodec.Encode(state, out KvmRegs regs);
        Assert.Equal((0ul, 1ul, 2ul, 3ul, 4ul, 5ul, 6ul, 7ul), (regs.Rax, regs.Rcx, regs.Rdx, regs.Rbx, regs.Rsp, regs.Rbp, regs.Rsi, regs.Rdi));
    }

    [Theory]
    [InlineData(VcpuActivity.Running)]
    [InlineData(VcpuActivity.Halted)]
    [InlineData(VcpuActivity.WaitForSipi)]
    public void EncodeDecode_Activity_IsTheSame(VcpuActivity activity)
        => Assert.Equal(activity, KvmStateCodec.Decode(KvmStateCodec.Encode(activity)));

    private static VcpuState RandomState(Random random)
    {
        ulong Word() => (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        bool Flag() => random.Next(2) == 0;
        SegmentState Segment() => new((ushort)Word(), Word(), (uint)Word(), (SegmentAttributes)Word() & AllAttributes);
        VcpuState state = new()
        {
            Rip = Word(),
            Rflags = Word(),
            Es = Segment(),
            Cs = Segment(),
            Ss = Segment(),
            Ds = Segment(),
            Fs = Segment(),
            Gs = Segment(),
            Ldtr = Segment(),
            Tr = Segment(),
            Gdtr = new DescriptorTableState(Word(), (ushort)Word()),
            Idtr = new DescriptorTableState(Word(), (ushort)Word()),
            Cr0 = Word(),
            Cr2 = Word(),
            Cr3 = Word(),
            Cr4 = Word(),
            Cr8 = (byte)random.Next(16),
            Efer = Word(),
            ApicBase = Word(),
            Events = new VcpuEvents
            {
                ExceptionPending = Flag(),
                ExceptionVector = (byte)Word(),
                ExceptionHasErrorCode = Flag(),
                ExceptionErrorCode = (uint)Word(),
                InterruptPending = Flag(),
                InterruptVector = (byte)Word(),
                NmiPending = Flag(),
                NmiBlocked = Flag(),
                StiShadow = Flag(),
                MovSsShadow = Flag(),
            },
        };
        for (int i = 0; i < 16; i++) state.Gpr[i] = Word();
        return state;
    }
}
