using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Cpu.State;
using Vmm.Cpu.Tests.Float;

namespace Vmm.Cpu.Tests.X87;

/// <summary>Availability, pending exceptions, environments of all formats, FXSAVE and FXRSTOR.</summary>
public sealed unsafe class X87ControlTests
{
    private const ulong PE = 1, MP = 2, EM = 4, TS = 8, ET = 0x10, NE = 0x20;
    private const ushort UnmaskedZeroDivide = 0x37b;
    private const uint Area = 0x3000;
    private static readonly byte[] Fld1 = [0xd9, 0xe8], Fldz = [0xd9, 0xee], Fninit = [0xdb, 0xe3], FdivSt1 = [0xd8, 0xf1], Wait = [0x9b], Fxsave = [0x0f, 0xae, 0x02], Fxrstor = [0x0f, 0xae, 0x0a];

    [Theory]
    [InlineData(PE | ET | NE | TS)]
    [InlineData(PE | ET | NE | EM)]
    public void X87Instruction_WhileTheUnitIsClosed_IsNotAvailable(ulong cr0)
    {
        using X87Guest guest = new(cr0);
        foreach (byte[] instruction in new[] { Fld1, Fninit, Fxsave, Fxrstor })
        {
            guest.Cpu.Fault = default;
            guest.Execute(instruction);
            Assert.Equal((true, Vector.NM), (guest.Cpu.Fault.Active, guest.Cpu.Fault.Vector));
            Assert.Equal(X87Guest.Code, guest.Cpu.S->Rip);
        }
    }

    [Theory]
    [InlineData(TS, false)]
    [InlineData(MP, false)]
    [InlineData(EM, false)]
    [InlineData(MP | TS, true)]
    public void Wait_RaisesNotAvailable_OnlyWithMonitorAndTaskSwitched(ulong bits, bool raises)
    {
        using X87Guest guest = new(PE | ET | NE | bits);
        guest.Execute(Wait);
        Assert.Equal(raises, guest.Cpu.Fault.Active);
    }

    [Fact]
    public void UnmaskedException_IsRaisedByTheNextWaitingInstruction_AndKeepsItsPointers()
    {
        using X87Guest guest = WithDivisionByZero(PE | ET | NE);
        Assert.False(guest.Cpu.Fault.Active);
        Assert.Equal(FpuStatus.ES | FpuStatus.B, (FpuStatus)guest.Cpu.S->Fsw & (FpuStatus.ES | FpuStatus.B));
        Assert.Equal(0x0f1, guest.Cpu.S->Fop);
        Assert.Equal(X87Guest.Code, guest.Cpu.S->Fip);
        guest.Execute(0xdd, 0x3a); // fnstsw [edx] does not wait
        Assert.False(guest.Cpu.Fault.Active);
        foreach (byte[] instruction in new[] { Fld1, Wait })
        {
            guest.Cpu.Fault = default;
            guest.Execute(instruction);
            Assert.Equal((true, Vector.MF), (guest.Cpu.Fault.Active, guest.Cpu.Fault.Vector));
        }
    }

    [Fact]
    public void UnmaskedException_WithNumericErrorOff_IsIgnored()
    {
        using X87Guest guest = WithDivisionByZero(PE | ET);
        guest.Execute(Fld1);
        Assert.False(guest.Cpu.Fault.Active);
    }

    [Fact]
    public void ClearingExceptions_EndsThePendingOne()
    {
        using X87Guest guest = WithDivisionByZero(PE | ET | NE);
        guest.Execute(0xdb, 0xe2); // fnclex
        guest.Execute(Wait);
        Assert.False(guest.Cpu.Fault.Active);
    }

    /// <summary>FNINIT, FLDCW with zero-divide unmasked, 0 and 1 pushed, FDIV ST(0), ST(1).</summary>
    private static X87Guest WithDivisionByZero(ulong cr0)
    {
        X87Guest guest = new(cr0);
        *(ushort*)(guest.Memory + X87Guest.Image + X87Image.OperandOffset) = UnmaskedZeroDivide;
        guest.Execute(Fninit);
        guest.Execute(0xd9, 0x2a); // fldcw [edx]
        guest.Execute(Fldz);
        guest.Execute(Fld1);
        guest.Execute(FdivSt1);
        return guest;
    }

    [Fact]
    public void UnmaskedZeroDivide_LeavesTheOperands()
    {
        using X87Guest guest = WithDivisionByZero(PE | ET | NE);
        guest.Execute(0xdd, 0x37); // fnsave [edi]
        X87Image image = *(X87Image*)(guest.Memory + X87Guest.Image);
        Assert.Equal((1UL << 63, (ushort)0x3fff), image.St(0));
        Assert.Equal((0UL, (ushort)0), image.St(1));
    }

    // ---- environments ---------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Environment_InThe16BitRealFormat_HoldsLinearPointersAndOpcode()
    {
        using X87Guest guest = new(ET | NE, SegmentAttributes.None);
        guest.Cpu.S->Fip = 0x12345;
        guest.Cpu.S->Fdp = 0x6789a;
        guest.Cpu.S->Fcs = 0;
        guest.Cpu.S->Fds = 0;
        guest.Cpu.S->Fop = 0x7d1;
        guest.Execute(0x67, 0xd9, 0x32); // fnstenv [edx]
        ReadOnlySpan<byte> words = new(guest.Memory + X87Guest.Image + X87Image.OperandOffset, 14);
        Assert.Equal((ushort)0x2345, BinaryPrimitives.ReadUInt16LittleEndian(words[6..]));
        Assert.Equal((ushort)0x17d1, BinaryPrimitives.ReadUInt16LittleEndian(words[8..]));
        Assert.Equal((ushort)0x789a, BinaryPrimitives.ReadUInt16LittleEndian(words[10..]));
        Assert.Equal((ushort)0x6000, BinaryPrimitives.ReadUInt16LittleEndian(words[12..]));
    }

    [Theory]
    [InlineData(ET | NE, false)]
    [InlineData(ET | NE, true)]
    [InlineData(PE | ET | NE, false)]
    [InlineData(PE | ET | NE, true)]
    public void Environment_StoredAndLoaded_IsTheSame(ulong cr0, bool wide)
    {
        using X87Guest guest = new(cr0, wide ? SegmentAttributes.DB : SegmentAttributes.None);
        byte[] prefix = wide ? [] : [0x67];
        guest.Execute(Fldz);
        guest.Execute(Fld1);
        CpuState* s = guest.Cpu.S;
        (s->Fip, s->Fdp, s->Fop) = (0x4321, 0x8765, wide || (cr0 & PE) == 0 ? (ushort)0x123 : (ushort)0);
        (s->Fcs, s->Fds) = (cr0 & PE) != 0 ? ((ushort)8, (ushort)0x10) : ((ushort)0, (ushort)0);
        var before = (s->Fcw, s->Fsw, s->Fip, s->Fdp, s->Fop, s->Fcs, s->Fds, Empty(s->Ftw));
        guest.Execute([.. prefix, 0xd9, 0x32]); // fnstenv [edx]
        guest.Execute(Fninit);
        guest.Execute([.. prefix, 0xd9, 0x22]); // fldenv [edx]
        Assert.Equal(before, (s->Fcw, s->Fsw, s->Fip, s->Fdp, s->Fop, s->Fcs, s->Fds, Empty(s->Ftw)));
        Assert.False(guest.Cpu.Fault.Active);
    }

    // Both bits of a tag set; the other tags all say "in use".
    private static int Empty(ushort tag) => tag & (tag >> 1) & 0x5555;

    [Fact]
    public void SaveAndRestore_InThe16BitFormat_KeepTheWholeUnit()
    {
        using X87Guest guest = new();
        OperandGenerator operands = new(5);
        byte[] save = [0x66, 0xdd, 0x32], restore = [0x66, 0xdd, 0x22]; // fnsave [edx], frstor [edx]
        for (int n = 0; n < 200; n++)
        {
            X87Image drawn = X87HostTests.Draw(operands), direct = drawn, detour = drawn;
            guest.Run(ref direct, [0x90]);
            *(X87Image*)(guest.Memory + X87Guest.Image) = drawn;
            guest.Execute(0xdd, 0x27); // frstor [edi]
            guest.ExecuteAt(Area, save);
            guest.ExecuteAt(Area, restore);
            guest.Execute(0xdd, 0x37); // fnsave [edi]
            detour = *(X87Image*)(guest.Memory + X87Guest.Image);
            Assert.Equal((direct.Control, direct.Status, direct.Tag), (detour.Control, detour.Status, detour.Tag));
            for (int i = 0; i < 8; i++) Assert.Equal(direct.St(i), detour.St(i));
        }
    }

    // ---- FXSAVE, FXRSTOR --------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Fxsave_OfRandomStates_EqualsTheHost()
    {
        using HostCode host = new(0xdd, 0x27, 0x0f, 0xae, 0x06, 0xdb, 0xe3, 0xc3); // frstor [rdi]; fxsave [rsi]; fninit; ret
        using X87Guest guest = new();
        OperandGenerator operands = new(Random.Shared.Next());
        byte* area = stackalloc byte[FxArea.Bytes + 16];
        area = (byte*)(((nuint)area + 15) & ~(nuint)15);
        for (int n = 0; n < 1000; n++)
        {
            X87Image image = X87HostTests.Draw(operands);
            ((delegate* unmanaged<X87Image*, byte*, void>)host.Address)(&image, area);
            *(X87Image*)(guest.Memory + X87Guest.Image) = image;
            guest.Execute(0xdd, 0x27);
            guest.ExecuteAt(Area, Fxsave);
            ReadOnlySpan<byte> expected = new(area, FxArea.UsedBytes), actual = new(guest.Memory + Area, FxArea.UsedBytes);
            Assert.Equal(expected[..6], actual[..6]);
            Assert.Equal(expected[32..160], actual[32..160]);
        }
    }

    [Fact]
    public void Fxrstor_OfAnImage_RestoresAllThatFxsaveStored()
    {
        using X87Guest guest = new();
        Random random = new(7);
        Span<byte> image = new(guest.Memory + Area, FxArea.Bytes);
        random.NextBytes(image);
        BinaryPrimitives.WriteUInt16LittleEndian(image, 0x37f);
        BinaryPrimitives.WriteUInt16LittleEndian(image[2..], 0x2800);
        image[5] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(image[6..], 0x123);
        BinaryPrimitives.WriteUInt16LittleEndian(image[14..], 0);
        BinaryPrimitives.WriteUInt16LittleEndian(image[22..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(image[24..], 0x1f80);
        BinaryPrimitives.WriteUInt32LittleEndian(image[28..], FxArea.MxcsrMask);
        for (int i = 0; i < 8; i++) image.Slice(32 + (i * 16) + 10, 6).Clear();
        byte[] before = image.ToArray();
        guest.ExecuteAt(Area, Fxrstor);
        image.Clear();
        guest.ExecuteAt(Area, Fxsave);
        // Outside 64-bit mode XMM8 and above are neither loaded nor stored.
        Assert.Equal(before[..288], image[..288].ToArray());
        Assert.Equal(new byte[FxArea.Bytes - 288], image[288..].ToArray());
    }

    [Fact]
    public void Fxsave_ToAnUnalignedAddress_IsGeneralProtection()
    {
        using X87Guest guest = new();
        guest.ExecuteAt(Area + 8, Fxsave);
        Assert.Equal((true, Vector.GP), (guest.Cpu.Fault.Active, guest.Cpu.Fault.Vector));
    }

    [Fact]
    public void Fxrstor_WithReservedMxcsrBits_IsGeneralProtectionAndChangesNothing()
    {
        using X87Guest guest = new();
        BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(guest.Memory + Area + FxArea.MxcsrOffset, 4), 0x10000);
        ushort control = guest.Cpu.S->Fcw;
        guest.ExecuteAt(Area, Fxrstor);
        Assert.Equal((true, Vector.GP), (guest.Cpu.Fault.Active, guest.Cpu.Fault.Vector));
        Assert.Equal(control, guest.Cpu.S->Fcw);
    }

    [Fact]
    public void Store_ToMemoryThatCannotBeWritten_ChangesNeitherStackNorStatus()
    {
        using X87Guest guest = new();
        guest.Execute(Fninit);
        guest.Execute(0xd9, 0xeb); // fldpi
        SegmentCache* ds = CpuState.Segments(guest.Cpu.S) + Seg.Ds;
        ds->Limit = 0x100;
        ushort status = guest.Cpu.S->Fsw, tag = guest.Cpu.S->Ftw;
        guest.ExecuteAt(Area, 0xd9, 0x1a); // fstp dword [edx] would be inexact
        Assert.Equal((true, Vector.GP), (guest.Cpu.Fault.Active, guest.Cpu.Fault.Vector));
        Assert.Equal((status, tag), (guest.Cpu.S->Fsw, guest.Cpu.S->Ftw));
    }
}
