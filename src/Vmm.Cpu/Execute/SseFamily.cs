using Iced.Intel;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Execute.Simd;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>SSE to SSE4.2, AES and PCLMULQDQ: finds an instruction's recipe and brings its operands to where the handler wants them.</summary>
internal static unsafe class SseFamily
{
    public static bool TryEmit(Cpu cpu, Emitter e, in Instruction i)
    {
        SseRecipe recipe = SseTable.Instance.Find(i.Code);
        if (recipe.Form == SseForm.None || !Has(cpu.Features, recipe.Feature)) return false;
        if ((e.Mode & CpuMode.SseClosed) != 0 && recipe.Form != SseForm.StoreGeneral)
        {
            e.EndHandler(&Closed);
            return true;
        }

        Emit(e, i, recipe);
        return true;
    }

    /// <summary>Raises what an SSE instruction raises when it may not run.</summary>
    public static bool Closed(Cpu cpu, Op* op)
        => (cpu.S->Cr0 & Cr0.EM) != 0 || (cpu.S->Cr4 & Cr4.OSFXSR) == 0 ? cpu.RaiseUd() : cpu.Raise(Vector.NM);

    /// <summary>Whether the CPU model has what an instruction needs.</summary>
    public static bool Has(CpuFeatures features, SimdFeature feature) => feature switch
    {
        SimdFeature.Base => true,
        SimdFeature.Sse3 => features.Sse3,
        SimdFeature.Ssse3 => features.Ssse3,
        SimdFeature.Sse41 => features.Sse41,
        SimdFeature.Sse42 => features.Sse42,
        SimdFeature.Aes => features.Aes,
        _ => features.Pclmulqdq,
    };

    private static void Emit(Emitter e, in Instruction i, in SseRecipe recipe)
    {
        int bytes = recipe.Bytes;
        switch (recipe.Form)
        {
            case SseForm.Binary:
            case SseForm.BinaryUnaligned:
                byte second = Operand(e, i, bytes, recipe.Form == SseForm.Binary);
                e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), second, i.Immediate8);
                break;

            case SseForm.Immediate:
                e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), imm: i.Immediate8);
                break;

            case SseForm.Load:
            case SseForm.LoadUnaligned:
                if (Emitter.IsMemory(i, 1)) e.Memory(recipe.Form == SseForm.Load ? OpCode.LdX128Aligned : OpCode.LdX128, i, bytes, false, Emitter.Xmm(i.Op0Register));
                else e.Add(OpCode.MovX, Emitter.Xmm(i.Op0Register), Emitter.Xmm(i.Op1Register));
                break;

            case SseForm.LoadScalar:
                if (Emitter.IsMemory(i, 1)) LoadLow(e, i, bytes);
                else e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), Emitter.Xmm(i.Op1Register));
                break;

            case SseForm.Store:
            case SseForm.StoreUnaligned:
                if (Emitter.IsMemory(i, 0)) e.StoreXmm(i, Emitter.Xmm(i.Op1Register), bytes, recipe.Form == SseForm.Store);
                else e.Add(OpCode.MovX, Emitter.Xmm(i.Op0Register), Emitter.Xmm(i.Op1Register));
                break;

            case SseForm.StoreScalar:
                if (Emitter.IsMemory(i, 0)) e.StoreXmm(i, Emitter.Xmm(i.Op1Register), bytes, false);
                else e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), Emitter.Xmm(i.Op1Register));
                break;

            case SseForm.StoreHigh:
                e.Handler(recipe.Handler, CpuState.XmmTemp, Emitter.Xmm(i.Op1Register));
                e.StoreXmm(i, CpuState.XmmTemp, bytes, false);
                break;

            case SseForm.FromGeneral:
                e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), e.Source(i, 1), i.Immediate8, bytes);
                break;

            case SseForm.MoveFromGeneral:
                if (Emitter.IsMemory(i, 1)) LoadLow(e, i, bytes);
                else e.Handler(recipe.Handler, Emitter.Xmm(i.Op0Register), Emitter.Gpr(i.Op1Register));
                break;

            case SseForm.ToGeneral:
                e.Handler(recipe.Handler, Emitter.Gpr(i.Op0Register), Operand(e, i, bytes, true), i.Immediate8, i.Op0Register.GetSize());
                break;

            case SseForm.Extract:
                EmitExtract(e, i, recipe);
                break;

            case SseForm.MoveToGeneral:
                if (Emitter.IsMemory(i, 0)) e.StoreXmm(i, Emitter.Xmm(i.Op1Register), bytes, false);
                else e.Handler(recipe.Handler, Emitter.Gpr(i.Op0Register), Emitter.Xmm(i.Op1Register));
                break;

            case SseForm.StoreGeneral:
                e.Memory(bytes == sizeof(ulong) ? OpCode.St64 : OpCode.St32, i, bytes, true, b: Emitter.Gpr(i.Op1Register));
                break;

            case SseForm.LoadControl:
                e.LoadInto(i, bytes, Reg.T0);
                e.Handler(recipe.Handler, b: Reg.T0);
                break;

            case SseForm.StoreControl:
                e.Handler(recipe.Handler, Reg.T0);
                e.Memory(OpCode.St32, i, bytes, true, b: Reg.T0);
                break;

            case SseForm.MaskedStore:
                EmitMaskedStore(e, i, recipe.Handler, Emitter.Xmm(i.Op1Register), Emitter.Xmm(i.Op2Register), bytes);
                break;
        }
    }

    /// <summary>The second operand's slot, loaded when it is in memory.</summary>
    private static byte Operand(Emitter e, in Instruction i, int bytes, bool aligned)
    {
        if (bytes >= sizeof(uint) || !Emitter.IsMemory(i, 1)) return e.SourceXmm(i, 1, bytes, aligned);
        e.LoadInto(i, bytes, Reg.T0);
        e.Handler(&SseMoves.MovqFrom, CpuState.XmmTemp, Reg.T0);
        return CpuState.XmmTemp;
    }

    private static void LoadLow(Emitter e, in Instruction i, int bytes)
        => e.Memory(bytes == sizeof(uint) ? OpCode.LdX32 : OpCode.LdX64, i, bytes, false, Emitter.Xmm(i.Op0Register));

    private static void EmitExtract(Emitter e, in Instruction i, in SseRecipe recipe)
    {
        byte source = Emitter.Xmm(i.Op1Register);
        if (!Emitter.IsMemory(i, 0))
        {
            e.Handler(recipe.Handler, Emitter.Gpr(i.Op0Register), source, i.Immediate8);
            return;
        }

        e.Handler(recipe.Handler, Reg.T0, source, i.Immediate8);
        e.Memory(recipe.Bytes switch { 1 => OpCode.St8, 2 => OpCode.St16, 4 => OpCode.St32, _ => OpCode.St64 }, i, recipe.Bytes, true, b: Reg.T0);
    }

    /// <summary>A masked store of slot <paramref name="value"/> to rDI.</summary>
    public static void EmitMaskedStore(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler, byte value, byte mask, int bytes)
    {
        int addressBytes = i.Op0Kind switch { OpKind.MemorySegDI => 2, OpKind.MemorySegEDI => 4, _ => 8 };
        e.Add(OpCode.Lea64, Reg.Ta)->Base = Reg.Rdi;
        e.SegmentStep(Emitter.SegmentIndex(i.MemorySegment), addressBytes, bytes, true);
        e.Handler(handler, value, mask, size: bytes)->Base = Reg.Ta;
    }
}
