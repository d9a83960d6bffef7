using Iced.Intel;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// x87 instructions: which handler with which operands. Waiting instructions begin with a step that raises #MF for a pending unmasked exception.
/// With CR0.NE clear no exception is reported at all, as if IGNNE# were asserted: this machine has no FERR# wire to IRQ 13.
/// </summary>
internal static unsafe class X87Family
{
    private const Code First = Code.Fadd_m32fp, Last = Code.Fcomip_st0_sti;

    private static readonly X87Entry[] Table = BuildTable();

    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i)
    {
        switch (i.Code)
        {
            case Code.Wait:
                e.Handler((e.Mode & CpuMode.FpuClosed) != 0 ? &X87Control.WaitClosed : &X87Control.Wait);
                return true;
            case Code.Fxsave_m512byte or Code.Fxsave64_m512byte:
                return EmitImage(e, i, &X87Control.Fxsave, write: true, wide: i.Code == Code.Fxsave64_m512byte);
            case Code.Fxrstor_m512byte or Code.Fxrstor64_m512byte:
                return EmitImage(e, i, &X87Control.Fxrstor, write: false, wide: i.Code == Code.Fxrstor64_m512byte);
            case < First or > Last:
                return false;
        }

        X87Entry entry = Table[i.Code - First];
        if (entry.Handler == null) return false;
        if (EmitClosed(e)) return true;
        bool control = (entry.Form & X87Form.Control) != 0;
        if ((entry.Form & X87Form.NoWait) == 0) e.Handler(control ? &X87Control.Wait : &X87Control.Begin);
        int register = i.OpCount == 0 ? 0 : Register(i);
        if ((entry.Form & X87Form.Memory) == 0)
        {
            e.Handler(entry.Handler, entry.Pops, register, c: entry.Argument);
            return true;
        }

        byte segment = Emitter.SegmentIndex(i.MemorySegment);
        e.MemoryHandler(entry.Handler, i, entry.Size, (entry.Form & X87Form.Store) == X87Form.Store, entry.Pops, segment, size: entry.Size, c: entry.Argument);
        return true;
    }

    /// <summary>CR0.EM or TS: #NM instead of the instruction.</summary>
    private static bool EmitClosed(Emitter e)
    {
        if ((e.Mode & CpuMode.FpuClosed) == 0) return false;
        e.EndHandler(&X87Control.NotAvailable);
        return true;
    }

    private static bool EmitImage(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler, bool write, bool wide)
    {
        if (EmitClosed(e)) return true;
        e.MemoryHandler(handler, i, FxArea.Bytes, write, b: Emitter.SegmentIndex(i.MemorySegment), size: e.Is64 ? 16 : 8, c: wide ? 1 : 0);
        return true;
    }

    /// <summary>Number of the ST register that is not implied: the last one named, but the first where ST(0) is the source.</summary>
    private static int Register(in Instruction i)
    {
        Iced.Intel.Register register = i.Op0Register;
        if (i.OpCount == 2 && register == Iced.Intel.Register.ST0) register = i.Op1Register;
        return register >= Iced.Intel.Register.ST0 && register <= Iced.Intel.Register.ST7 ? register - Iced.Intel.Register.ST0 : 0;
    }

    // ---- the table ----------------------------------------------------------------------------------------------------------------

    private static X87Entry[] BuildTable()
    {
        X87Entry[] table = new X87Entry[Last - First + 1];
        AddArithmetic(table);
        AddComparisons(table);
        AddTransfers(table);
        AddFunctions(table);
        AddControl(table);
        return table;
    }

    private static void Set(X87Entry[] table, Code code, delegate*<Cpu, Op*, bool> handler, X87Form form = X87Form.Register, int size = 0, int argument = 0, int pops = 0)
        => table[code - First] = new X87Entry(handler, form, (byte)size, (byte)argument, (byte)pops);

    private static void AddArithmetic(X87Entry[] table)
    {
        ReadOnlySpan<(Code M32, Code M64, Code I32, Code I16, Code St0, Code Sti, Code Popping, X87Operation Operation)> rows =
        [
            (Code.Fadd_m32fp, Code.Fadd_m64fp, Code.Fiadd_m32int, Code.Fiadd_m16int, Code.Fadd_st0_sti, Code.Fadd_sti_st0, Code.Faddp_sti_st0, X87Operation.Add),
            (Code.Fmul_m32fp, Code.Fmul_m64fp, Code.Fimul_m32int, Code.Fimul_m16int, Code.Fmul_st0_sti, Code.Fmul_sti_st0, Code.Fmulp_sti_st0, X87Operation.Multiply),
            (Code.Fsub_m32fp, Code.Fsub_m64fp, Code.Fisub_m32int, Code.Fisub_m16int, Code.Fsub_st0_sti, Code.Fsub_sti_st0, Code.Fsubp_sti_st0, X87Operation.Subtract),
            (Code.Fsubr_m32fp, Code.Fsubr_m64fp, Code.Fisubr_m32int, Code.Fisubr_m16int, Code.Fsubr_st0_sti, Code.Fsubr_sti_st0, Code.Fsubrp_sti_st0, X87Operation.SubtractReverse),
            (Code.Fdiv_m32fp, Code.Fdiv_m64fp, Code.Fidiv_m32int, Code.Fidiv_m16int, Code.Fdiv_st0_sti, Code.Fdiv_sti_st0, Code.Fdivp_sti_st0, X87Operation.Divide),
            (Code.Fdivr_m32fp, Code.Fdivr_m64fp, Code.Fidivr_m32int, Code.Fidivr_m16int, Code.Fdivr_st0_sti, Code.Fdivr_sti_st0, Code.Fdivrp_sti_st0, X87Operation.DivideReverse),
        ];
        foreach (var row in rows)
        {
            int operation = (int)row.Operation;
            Set(table, row.M32, &X87Arithmetic.Real, X87Form.Memory, 4, operation);
            Set(table, row.M64, &X87Arithmetic.Real, X87Form.Memory, 8, operation);
            Set(table, row.I32, &X87Arithmetic.Integer, X87Form.Memory, 4, operation);
            Set(table, row.I16, &X87Arithmetic.Integer, X87Form.Memory, 2, operation);
            Set(table, row.St0, &X87Arithmetic.IntoSt0, argument: operation);
            Set(table, row.Sti, &X87Arithmetic.IntoSti, argument: operation);
            Set(table, row.Popping, &X87Arithmetic.IntoSti, argument: operation, pops: 1);
        }
    }

    private static void AddComparisons(X87Entry[] table)
    {
        const int Quiet = 0, Signal = 1;
        for (int pops = 0; pops < 2; pops++)
        {
            bool pop = pops == 1;
            Set(table, pop ? Code.Fcomp_m32fp : Code.Fcom_m32fp, &X87Arithmetic.CompareReal, X87Form.Memory, 4, Signal, pops);
            Set(table, pop ? Code.Fcomp_m64fp : Code.Fcom_m64fp, &X87Arithmetic.CompareReal, X87Form.Memory, 8, Signal, pops);
            Set(table, pop ? Code.Ficomp_m16int : Code.Ficom_m16int, &X87Arithmetic.CompareInteger, X87Form.Memory, 2, Signal, pops);
            Set(table, pop ? Code.Ficomp_m32int : Code.Ficom_m32int, &X87Arithmetic.CompareInteger, X87Form.Memory, 4, Signal, pops);
            Set(table, pop ? Code.Fcomp_st0_sti : Code.Fcom_st0_sti, &X87Arithmetic.CompareRegister, argument: Signal, pops: pops);
            Set(table, pop ? Code.Fucomp_st0_sti : Code.Fucom_st0_sti, &X87Arithmetic.CompareRegister, argument: Quiet, pops: pops);
            Set(table, pop ? Code.Fcomip_st0_sti : Code.Fcomi_st0_sti, &X87Arithmetic.CompareFlags, argument: Signal, pops: pops);
            Set(table, pop ? Code.Fucomip_st0_sti : Code.Fucomi_st0_sti, &X87Arithmetic.CompareFlags, argument: Quiet, pops: pops);
        }

        Set(table, Code.Fcom_st0_sti_DCD0, &X87Arithmetic.CompareRegister, argument: Signal);
        Set(table, Code.Fcomp_st0_sti_DCD8, &X87Arithmetic.CompareRegister, argument: Signal, pops: 1);
        Set(table, Code.Fcomp_st0_sti_DED0, &X87Arithmetic.CompareRegister, argument: Signal, pops: 1);
        Set(table, Code.Fcompp, &X87Arithmetic.CompareSt1, argument: Signal, pops: 2);
        Set(table, Code.Fucompp, &X87Arithmetic.CompareSt1, argument: Quiet, pops: 2);
        Set(table, Code.Ftst, &X87Arithmetic.Test);
        Set(table, Code.Fxam, &X87Arithmetic.Examine);
    }

    private static void AddTransfers(X87Entry[] table)
    {
        Set(table, Code.Fld_m32fp, &X87Transfer.LoadReal, X87Form.Memory, 4);
        Set(table, Code.Fld_m64fp, &X87Transfer.LoadReal, X87Form.Memory, 8);
        Set(table, Code.Fld_m80fp, &X87Transfer.LoadExtended, X87Form.Memory, 10);
        Set(table, Code.Fld_sti, &X87Transfer.LoadRegister);
        Set(table, Code.Fild_m16int, &X87Transfer.LoadInteger, X87Form.Memory, 2);
        Set(table, Code.Fild_m32int, &X87Transfer.LoadInteger, X87Form.Memory, 4);
        Set(table, Code.Fild_m64int, &X87Transfer.LoadInteger, X87Form.Memory, 8);
        Set(table, Code.Fbld_m80bcd, &X87Transfer.LoadDecimal, X87Form.Memory, 10);
        Set(table, Code.Fbstp_m80bcd, &X87Transfer.StoreDecimal, X87Form.Store, 10, pops: 1);
        Set(table, Code.Fst_m32fp, &X87Transfer.StoreReal, X87Form.Store, 4);
        Set(table, Code.Fst_m64fp, &X87Transfer.StoreReal, X87Form.Store, 8);
        Set(table, Code.Fstp_m32fp, &X87Transfer.StoreReal, X87Form.Store, 4, pops: 1);
        Set(table, Code.Fstp_m64fp, &X87Transfer.StoreReal, X87Form.Store, 8, pops: 1);
        Set(table, Code.Fstp_m80fp, &X87Transfer.StoreExtended, X87Form.Store, 10, pops: 1);
        Set(table, Code.Fst_sti, &X87Transfer.StoreRegister);
        Set(table, Code.Fstp_sti, &X87Transfer.StoreRegister, pops: 1);
        Set(table, Code.Fstp_sti_DFD0, &X87Transfer.StoreRegister, pops: 1);
        Set(table, Code.Fstp_sti_DFD8, &X87Transfer.StoreRegister, pops: 1);
        Set(table, Code.Fstpnce_sti, &X87Transfer.StoreRegister, pops: 1);
        const int Truncate = 1;
        Set(table, Code.Fist_m16int, &X87Transfer.StoreInteger, X87Form.Store, 2);
        Set(table, Code.Fist_m32int, &X87Transfer.StoreInteger, X87Form.Store, 4);
        Set(table, Code.Fistp_m16int, &X87Transfer.StoreInteger, X87Form.Store, 2, pops: 1);
        Set(table, Code.Fistp_m32int, &X87Transfer.StoreInteger, X87Form.Store, 4, pops: 1);
        Set(table, Code.Fistp_m64int, &X87Transfer.StoreInteger, X87Form.Store, 8, pops: 1);
        Set(table, Code.Fisttp_m16int, &X87Transfer.StoreInteger, X87Form.Store, 2, Truncate, 1);
        Set(table, Code.Fisttp_m32int, &X87Transfer.StoreInteger, X87Form.Store, 4, Truncate, 1);
        Set(table, Code.Fisttp_m64int, &X87Transfer.StoreInteger, X87Form.Store, 8, Truncate, 1);
        Set(table, Code.Fxch_st0_sti, &X87Transfer.Exchange);
        Set(table, Code.Fxch_st0_sti_DDC8, &X87Transfer.Exchange);
        Set(table, Code.Fxch_st0_sti_DFC8, &X87Transfer.Exchange);
        Set(table, Code.Ffree_sti, &X87Transfer.FreeRegister);
        Set(table, Code.Ffreep_sti, &X87Transfer.FreeRegister, pops: 1);
        ReadOnlySpan<Code> moves =
        [
            Code.Fcmovb_st0_sti, Code.Fcmovnb_st0_sti, Code.Fcmove_st0_sti, Code.Fcmovne_st0_sti,
            Code.Fcmovbe_st0_sti, Code.Fcmovnbe_st0_sti, Code.Fcmovu_st0_sti, Code.Fcmovnu_st0_sti,
        ];
        ReadOnlySpan<byte> conditions = [2, 3, 4, 5, 6, 7, 10, 11];
        for (int i = 0; i < moves.Length; i++) Set(table, moves[i], &X87Transfer.MoveIf, argument: conditions[i]);
        ReadOnlySpan<Code> constants = [Code.Fld1, Code.Fldl2t, Code.Fldl2e, Code.Fldpi, Code.Fldlg2, Code.Fldln2, Code.Fldz];
        for (int i = 0; i < constants.Length; i++) Set(table, constants[i], &X87Transfer.LoadConstant, argument: i);
    }

    private static void AddFunctions(X87Entry[] table)
    {
        Set(table, Code.Fchs, &X87Arithmetic.ChangeSign);
        Set(table, Code.Fabs, &X87Arithmetic.Absolute);
        Set(table, Code.Fsqrt, &X87Arithmetic.SquareRoot);
        Set(table, Code.Frndint, &X87Arithmetic.RoundToInteger);
        Set(table, Code.Fscale, &X87Arithmetic.Scale);
        Set(table, Code.Fxtract, &X87Arithmetic.Extract);
        Set(table, Code.Fprem, &X87Arithmetic.Remainder);
        Set(table, Code.Fprem1, &X87Arithmetic.Remainder, argument: 1);
        Set(table, Code.F2xm1, &X87Functions.PowerMinusOne);
        Set(table, Code.Fyl2x, &X87Functions.Logarithm);
        Set(table, Code.Fyl2xp1, &X87Functions.LogarithmPlusOne);
        Set(table, Code.Fptan, &X87Functions.Tangent);
        Set(table, Code.Fpatan, &X87Functions.Arctangent);
        Set(table, Code.Fsin, &X87Functions.Sine);
        Set(table, Code.Fcos, &X87Functions.Cosine);
        Set(table, Code.Fsincos, &X87Functions.SineCosine);
    }

    private static void AddControl(X87Entry[] table)
    {
        const X87Form NoWait = X87Form.NoWait | X87Form.Control;
        Set(table, Code.Fnop, &X87Control.Nothing);
        Set(table, Code.Fneni, &X87Control.Nothing, NoWait);
        Set(table, Code.Fndisi, &X87Control.Nothing, NoWait);
        Set(table, Code.Fnsetpm, &X87Control.Nothing, NoWait);
        Set(table, Code.Fincstp, &X87Control.MoveTop, argument: 1);
        Set(table, Code.Fdecstp, &X87Control.MoveTop, argument: 7);
        Set(table, Code.Fnclex, &X87Control.ClearExceptions, NoWait);
        Set(table, Code.Fninit, &X87Control.Initialize, NoWait);
        Set(table, Code.Fldcw_m2byte, &X87Control.LoadControl, X87Form.Memory | X87Form.Control, 2);
        Set(table, Code.Fnstcw_m2byte, &X87Control.StoreControl, X87Form.Store | NoWait, 2);
        Set(table, Code.Fnstsw_m2byte, &X87Control.StoreStatus, X87Form.Store | NoWait, 2);
        Set(table, Code.Fnstsw_AX, &X87Control.StatusToAx, NoWait);
        Set(table, Code.Fldenv_m14byte, &X87Control.LoadEnvironment, X87Form.Memory | X87Form.Control, 14);
        Set(table, Code.Fldenv_m28byte, &X87Control.LoadEnvironment, X87Form.Memory | X87Form.Control, 28);
        Set(table, Code.Fnstenv_m14byte, &X87Control.StoreEnvironment, X87Form.Store | NoWait, 14);
        Set(table, Code.Fnstenv_m28byte, &X87Control.StoreEnvironment, X87Form.Store | NoWait, 28);
        Set(table, Code.Frstor_m94byte, &X87Control.LoadAll, X87Form.Memory | X87Form.Control, 94);
        Set(table, Code.Frstor_m108byte, &X87Control.LoadAll, X87Form.Memory | X87Form.Control, 108);
        Set(table, Code.Fnsave_m94byte, &X87Control.StoreAll, X87Form.Store | NoWait, 94);
        Set(table, Code.Fnsave_m108byte, &X87Control.StoreAll, X87Form.Store | NoWait, 108);
    }
}
