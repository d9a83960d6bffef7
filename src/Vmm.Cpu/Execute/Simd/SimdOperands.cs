using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>How the vector handlers reach their operands: A is the destination slot and first operand, B the second operand's slot.</summary>
internal static unsafe class SimdOperands
{
    /// <summary>The destination operand as it was.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> First<T>(Cpu cpu, Op* op) => CpuState.Xmm(cpu.S)[op->A].As<byte, T>();

    /// <summary>The source operand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Second<T>(Cpu cpu, Op* op) => CpuState.Xmm(cpu.S)[op->B].As<byte, T>();

    /// <summary>Writes the destination.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Put<T>(Cpu cpu, Op* op, Vector128<T> value)
    {
        CpuState.Xmm(cpu.S)[op->A] = value.AsByte();
        return true;
    }
}
