using Iced.Intel;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Execute.Simd;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>MMX and the later instructions on MM registers.</summary>
internal static unsafe class MmxFamily
{
    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i)
    {
        MmxRecipe recipe = MmxTable.Instance.Find(i.Code);
        if (recipe.Form == MmxForm.None || !SseFamily.Has(cpu.Features, recipe.Feature)) return false;
        bool touchesXmm = recipe.Form is MmxForm.ToXmm or MmxForm.ToXmmFromMemory or MmxForm.FromXmm;
        if ((e.Mode & (touchesXmm ? CpuMode.SseClosed : CpuMode.FpuClosed)) != 0)
        {
            e.EndHandler(touchesXmm ? &SseFamily.Closed : &Closed);
            return true;
        }

        if (recipe.Form == MmxForm.ToXmmFromMemory && Emitter.IsMemory(i, 1))
        {
            byte source = e.SourceXmm(i, 1, recipe.Bytes);
            e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), source);
            return true;
        }

        // An x87 exception that waits comes first.
        e.Handler(&X87Control.Wait);
        Emit(e, i, recipe);
        return true;
    }

    /// <summary>Raises what an MMX instruction raises when it may not run.</summary>
    private static bool Closed(Cpu cpu, Op* op) => (cpu.S->Cr0 & Cr0.EM) != 0 ? cpu.RaiseUd() : cpu.Raise(Vector.NM);

    private static void Emit(Emitter e, in Instruction i, in MmxRecipe recipe)
    {
        switch (recipe.Form)
        {
            case MmxForm.Lanes: EmitTwo(e, i, recipe, &MmxHandlers.Lanes); break;
            case MmxForm.High: EmitTwo(e, i, recipe, &MmxHandlers.High); break;
            case MmxForm.Joined: EmitTwo(e, i, recipe, &MmxHandlers.Joined); break;
            case MmxForm.Indexed: EmitTwo(e, i, recipe, &MmxHandlers.Indexed); break;
            case MmxForm.Aligned: EmitTwo(e, i, recipe, &MmxHandlers.Aligned); break;
            case MmxForm.Immediate:
                e.Handler(&MmxHandlers.Lanes, Emitter.Mm(i.Op0Register), Emitter.Mm(i.Op0Register), (long)recipe.Handler, c: i.Immediate8);
                break;

            case MmxForm.Load:
                if (Emitter.IsMemory(i, 1)) EmitFromGeneral(e, i, sizeof(ulong));
                else e.Handler(&MmxHandlers.Move, Emitter.Mm(i.Op0Register), Emitter.Mm(i.Op1Register));
                break;

            case MmxForm.Store:
                if (Emitter.IsMemory(i, 0)) EmitStore(e, i, sizeof(ulong));
                else e.Handler(&MmxHandlers.Move, Emitter.Mm(i.Op0Register), Emitter.Mm(i.Op1Register));
                break;

            case MmxForm.FromGeneral:
                EmitFromGeneral(e, i, recipe.Bytes);
                break;

            case MmxForm.ToGeneral:
                if (Emitter.IsMemory(i, 0)) EmitStore(e, i, recipe.Bytes);
                else e.Handler(&MmxHandlers.ToGeneral, Emitter.Gpr(i.Op0Register), Emitter.Mm(i.Op1Register), size: recipe.Bytes);
                break;

            case MmxForm.Insert:
                e.Handler(recipe.Handler, Emitter.Mm(i.Op0Register), e.Source(i, 1), c: i.Immediate8);
                break;

            case MmxForm.Extract:
                e.Handler(recipe.Handler, Emitter.Gpr(i.Op0Register), Emitter.Mm(i.Op1Register), c: i.Immediate8);
                break;

            case MmxForm.ToXmm:
            case MmxForm.ToXmmFromMemory:
                e.Handler(&MmxHandlers.ToXmm, Emitter.Xmm(i.Op0Register), Emitter.Mm(i.Op1Register), (long)recipe.Handler);
                break;

            case MmxForm.FromXmm:
                e.Handler(&MmxHandlers.FromXmm, Emitter.Mm(i.Op0Register), e.SourceXmm(i, 1, recipe.Bytes), (long)recipe.Handler);
                break;

            case MmxForm.MaskedStore:
                e.Handler(&MmxHandlers.LayOutPair, Emitter.Mm(i.Op1Register), Emitter.Mm(i.Op2Register));
                e.Handler(&MmxHandlers.Enter);
                SseFamily.EmitMaskedStore(e, i, &SseMoves.MaskedStore, CpuState.XmmSpare, CpuState.XmmTemp, recipe.Bytes);
                break;

            case MmxForm.Empty:
                e.Handler(&MmxHandlers.Emms);
                break;
        }
    }

    private static void EmitTwo(Emitter e, in Instruction i, in MmxRecipe recipe, delegate*<Cpu, Op*, bool> layOut)
        => e.Handler(layOut, Emitter.Mm(i.Op0Register), Second(e, i, recipe.Bytes), (long)recipe.Handler, c: i.Immediate8);

    /// <summary>MM number of the second operand, or the slot that it was loaded to.</summary>
    private static byte Second(Emitter e, in Instruction i, int bytes) => Emitter.IsMemory(i, 1) ? e.SourceXmm(i, 1, bytes) : Emitter.Mm(i.Op1Register);

    private static void EmitFromGeneral(Emitter e, in Instruction i, int bytes)
        => e.Handler(&MmxHandlers.FromGeneral, Emitter.Mm(i.Op0Register), e.Source(i, 1), size: bytes);

    private static void EmitStore(Emitter e, in Instruction i, int bytes)
    {
        e.Handler(&MmxHandlers.Peek, Reg.T0, Emitter.Mm(i.Op1Register));
        e.Memory(bytes == sizeof(ulong) ? OpCode.St64 : OpCode.St32, i, bytes, true, b: Reg.T0);
        e.Handler(&MmxHandlers.Enter);
    }
}
