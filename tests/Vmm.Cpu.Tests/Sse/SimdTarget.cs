using System.Runtime.Intrinsics;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using Vmm.Cpu.Tests.Oracle;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.TestKit;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>One software CPU at CPL 3 whose pages lie where the oracle's do; it carries out the cases of the SSE and MMX tests.</summary>
internal sealed unsafe class SimdTarget : IOracleTarget, IDisposable
{
    private const ulong MemoryBytes = 2 << 20, TableBase = 0x1000, DataPhysical = 0x100000, CodePhysical = 0x120000;
    private const ulong PresentBit = 1, WritableBit = 2, UserBit = 4;
    private const int EntriesPerTable = 512;
    private const SegmentAttributes Data3 = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.DplMask | SegmentAttributes.WritableOrReadable
        | SegmentAttributes.Accessed | SegmentAttributes.DB | SegmentAttributes.G;

    private readonly TestMemory _ram = new(MemoryBytes);
    private readonly byte* _base;

    public SimdTarget(string model = "x86-64-v2,+aes,+pclmulqdq")
    {
        _base = _ram.Memory.PagePointer(0, out _, out _);
        BuildTables();
        new Span<byte>(_base + CodePhysical, (int)OracleLayout.CodeSize).Fill(OracleLayout.Hlt);
        Cpu = new Cpu(0, _ram.Memory, new CodePages(), CpuidBuilder.Software(CpuModel.Parse(model)).Build(0), new FakeClock(), new Doorbells(_ => { }));
        SegmentState data = new(OracleLayout.UserData, 0, uint.MaxValue, Data3);
        VcpuState state = new()
        {
            Cr0 = State.Cr0.PE | State.Cr0.PG | State.Cr0.WP | State.Cr0.NE | State.Cr0.MP,
            Cr3 = TableBase,
            Cr4 = State.Cr4.PAE | State.Cr4.OSFXSR | State.Cr4.OSXMMEXCPT,
            Efer = State.Efer.LME | State.Efer.LMA | State.Efer.NXE,
            Cs = new SegmentState(OracleLayout.UserCode64, 0, uint.MaxValue, (Data3 & ~SegmentAttributes.DB) | SegmentAttributes.Code | SegmentAttributes.L),
            Ss = data,
            Ds = data with { Selector = 0 },
            Es = data with { Selector = 0 },
            Fs = data with { Selector = 0, Base = OracleLayout.FsBase },
            Gs = data with { Selector = 0, Base = OracleLayout.GsBase },
        };
        StateCodec.Apply(Cpu, state);
    }

    public Cpu Cpu { get; }

    public Span<byte> Data => new(_base + DataPhysical, (int)OracleLayout.DataSize);

    public void Run(OracleCase test, out CaseOutcome outcome)
    {
        test.Data.CopyTo(Data);
        Span<byte> code = new(_base + CodePhysical + (test.Address - OracleLayout.Code), test.Length);
        test.Code.CopyTo(code);
        SetBitness(test.Bitness);
        Load(test.Input);
        Cpu.Execute1();
        outcome = default;
        Store(ref outcome.State);
        outcome.Vector = CaseOutcome.NoFault;
        if (Cpu.Fault.Active)
        {
            outcome.Vector = Cpu.Fault.Vector;
            outcome.ErrorCode = Cpu.Fault.ErrorCode;
            outcome.FaultAddress = Cpu.Fault.Address;
            Cpu.Fault = default;
        }

        code.Fill(OracleLayout.Hlt);
    }

    private void SetBitness(int bitness)
    {
        ref SegmentCache code = ref CpuState.Segments(Cpu.S)[Seg.Cs];
        bool wide = bitness == 64;
        code.Selector = wide ? OracleLayout.UserCode64 : OracleLayout.UserCode32;
        code.Attributes = (Data3 & ~SegmentAttributes.DB) | SegmentAttributes.Code | (wide ? SegmentAttributes.L : SegmentAttributes.DB);
        foreach (int i in (ReadOnlySpan<int>)[Seg.Ds, Seg.Es]) CpuState.Segments(Cpu.S)[i].Selector = wide ? (ushort)0 : OracleLayout.UserData;
        Cpu.S->R[Reg.FsBase] = wide ? OracleLayout.FsBase : 0;
        Cpu.S->R[Reg.GsBase] = wide ? OracleLayout.GsBase : 0;
        Cpu.UpdateMode();
    }

    public void Dispose()
    {
        Cpu.Dispose();
        _ram.Dispose();
    }

    /// <summary>Only the 2 MiB that hold data and code are there.</summary>
    private void BuildTables()
    {
        ulong* table = (ulong*)(_base + TableBase);
        const ulong Link = PresentBit | WritableBit | UserBit;
        table[0] = (TableBase + OracleLayout.PageSize) | Link;
        table[EntriesPerTable] = (TableBase + (2 * OracleLayout.PageSize)) | Link;
        table[(2 * EntriesPerTable) + (OracleLayout.Data >> 21)] = (TableBase + (3 * OracleLayout.PageSize)) | Link;
        ulong* pages = table + (3 * EntriesPerTable);
        for (int i = 0; i < OracleLayout.DataPages; i++)
        {
            if (OracleLayout.IsDataPageMapped(i)) pages[i] = (DataPhysical + ((ulong)i * OracleLayout.PageSize)) | PresentBit | UserBit | (i == OracleLayout.ReadOnlyPage ? 0 : WritableBit);
        }

        int first = (int)(OracleLayout.Code >> 12) & (EntriesPerTable - 1);
        for (int i = 0; i < OracleLayout.CodePages; i++) pages[first + i] = (CodePhysical + ((ulong)i * OracleLayout.PageSize)) | PresentBit | UserBit;
    }

    private void Load(in MachineImage from)
    {
        CpuState* s = Cpu.S;
        for (int i = 0; i < 16; i++) s->R[i] = from.Gpr[i];
        s->Rip = from.Rip;
        Flags.SetStatus(s, (uint)from.Rflags);
        Cpu.SetSystemFlags((uint)from.Rflags & ~(Rflags.Status | Rflags.Fixed));
        s->Fcw = from.Fcw;
        s->Fsw = (ushort)(from.Fsw & ~(int)(FpuStatus.ES | FpuStatus.B));
        if ((from.Fsw & ~from.Fcw & (int)Mxcsr.Flags) != 0) s->Fsw |= (ushort)(FpuStatus.ES | FpuStatus.B);
        s->Ftw = 0;
        s->Mxcsr = from.Mxcsr;
        for (int i = 0; i < 8; i++)
        {
            if ((from.Ftw >> i & 1) == 0) s->Ftw |= (ushort)(3 << (2 * i));
        }

        fixed (byte* fx = from.Fx)
        {
            for (int i = 0; i < 16; i++) CpuState.Xmm(s)[i] = Vector128.Load(fx + MachineImage.FxXmm + (16 * i));
            for (int i = 0; i < 8; i++)
            {
                ulong* register = CpuState.Fpu(s) + (2 * (((s->Fsw >> 11) + i) & 7));
                register[0] = *(ulong*)(fx + MachineImage.FxSt + (16 * i));
                register[1] = *(ushort*)(fx + MachineImage.FxSt + (16 * i) + 8);
            }
        }
    }

    private void Store(ref MachineImage to)
    {
        CpuState* s = Cpu.S;
        for (int i = 0; i < 16; i++) to.Gpr[i] = s->R[i];
        to.Rip = s->Rip;
        to.Rflags = Flags.Get(s);
        to.Fcw = s->Fcw;
        to.Fsw = s->Fsw;
        to.Mxcsr = s->Mxcsr;
        for (int i = 0; i < Seg.Count; i++) to.Selectors[i] = CpuState.Segments(s)[i].Selector;
        to.Ftw = 0;
        for (int i = 0; i < 8; i++)
        {
            if ((s->Ftw >> (2 * i) & 3) != 3) to.Ftw |= (byte)(1 << i);
        }

        fixed (byte* fx = to.Fx)
        {
            for (int i = 0; i < 16; i++) CpuState.Xmm(s)[i].Store(fx + MachineImage.FxXmm + (16 * i));
            for (int i = 0; i < 8; i++)
            {
                ulong* register = CpuState.Fpu(s) + (2 * (((s->Fsw >> 11) + i) & 7));
                *(ulong*)(fx + MachineImage.FxSt + (16 * i)) = register[0];
                *(ushort*)(fx + MachineImage.FxSt + (16 * i) + 8) = (ushort)register[1];
            }
        }
    }
}
