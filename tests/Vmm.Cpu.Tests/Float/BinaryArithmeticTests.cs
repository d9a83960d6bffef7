using Vmm.Cpu.Float;

namespace Vmm.Cpu.Tests.Float;

/// <summary>binary32 and binary64 arithmetic against the host's SSE unit, result and flags bit for bit, in every rounding mode, with and without FTZ and DAZ.</summary>
public sealed class BinaryArithmeticTests
{
    private const int Pairs = 250_000;
    private const uint MasksAll = 0x1f80, FTZ = 0x8000, DAZ = 0x40;

    private delegate ulong Operation(ulong a, ulong b, ref FloatContext c);

    private static readonly Dictionary<string, (byte[] Code, bool Is32, Operation Soft)> Operations = new()
    {
        ["addss"] = ([0xf3, 0x0f, 0x58, 0xc1], true, static (a, b, ref c) => Binary32.Add((uint)a, (uint)b, ref c)),
        ["subss"] = ([0xf3, 0x0f, 0x5c, 0xc1], true, static (a, b, ref c) => Binary32.Subtract((uint)a, (uint)b, ref c)),
        ["mulss"] = ([0xf3, 0x0f, 0x59, 0xc1], true, static (a, b, ref c) => Binary32.Multiply((uint)a, (uint)b, ref c)),
        ["divss"] = ([0xf3, 0x0f, 0x5e, 0xc1], true, static (a, b, ref c) => Binary32.Divide((uint)a, (uint)b, ref c)),
        ["sqrtss"] = ([0xf3, 0x0f, 0x51, 0xc1], true, static (a, b, ref c) => Binary32.SquareRoot((uint)b, ref c)),
        ["cvtss2sd"] = ([0xf3, 0x0f, 0x5a, 0xc1], true, static (a, b, ref c) => Binary32.ToBinary64((uint)b, ref c)),
        ["cvtss2si"] = ([0xf3, 0x48, 0x0f, 0x2d, 0xc1, 0x66, 0x48, 0x0f, 0x6e, 0xc0], true, static (a, b, ref c) => (ulong)Binary32.ToInteger((uint)b, 64, c.Rounding, ref c)),
        ["cvttss2si"] = ([0xf3, 0x0f, 0x2c, 0xc1, 0x66, 0x0f, 0x6e, 0xc0], true, static (a, b, ref c) => (uint)Binary32.ToInteger((uint)b, 32, FloatRounding.Zero, ref c)),
        ["comiss"] = ([0x0f, 0x2f, 0xc1, 0x9c, 0x58, 0x66, 0x48, 0x0f, 0x6e, 0xc0], true, static (a, b, ref c) => Rflags(Binary32.Compare((uint)a, (uint)b, true, ref c))),
        ["roundss"] = ([0x66, 0x0f, 0x3a, 0x0a, 0xc1, 0x04], true, static (a, b, ref c) => Binary32.RoundToIntegral((uint)b, c.Rounding, true, ref c)),
        ["addsd"] = ([0xf2, 0x0f, 0x58, 0xc1], false, static (a, b, ref c) => Binary64.Add(a, b, ref c)),
        ["subsd"] = ([0xf2, 0x0f, 0x5c, 0xc1], false, static (a, b, ref c) => Binary64.Subtract(a, b, ref c)),
        ["mulsd"] = ([0xf2, 0x0f, 0x59, 0xc1], false, static (a, b, ref c) => Binary64.Multiply(a, b, ref c)),
        ["divsd"] = ([0xf2, 0x0f, 0x5e, 0xc1], false, static (a, b, ref c) => Binary64.Divide(a, b, ref c)),
        ["sqrtsd"] = ([0xf2, 0x0f, 0x51, 0xc1], false, static (a, b, ref c) => Binary64.SquareRoot(b, ref c)),
        ["cvtsd2ss"] = ([0xf2, 0x0f, 0x5a, 0xc1], false, static (a, b, ref c) => (a & 0xffffffff00000000) | Binary64.ToBinary32(b, ref c)),
        ["cvtsd2si"] = ([0xf2, 0x48, 0x0f, 0x2d, 0xc1, 0x66, 0x48, 0x0f, 0x6e, 0xc0], false, static (a, b, ref c) => (ulong)Binary64.ToInteger(b, 64, c.Rounding, ref c)),
        ["cvttsd2si"] = ([0xf2, 0x0f, 0x2c, 0xc1, 0x66, 0x0f, 0x6e, 0xc0], false, static (a, b, ref c) => (uint)Binary64.ToInteger(b, 32, FloatRounding.Zero, ref c)),
        ["ucomisd"] = ([0x66, 0x0f, 0x2e, 0xc1, 0x9c, 0x58, 0x66, 0x48, 0x0f, 0x6e, 0xc0], false, static (a, b, ref c) => Rflags(Binary64.Compare(a, b, false, ref c))),
        ["roundsd"] = ([0x66, 0x0f, 0x3a, 0x0b, 0xc1, 0x0c], false, static (a, b, ref c) => Binary64.RoundToIntegral(b, c.Rounding, false, ref c)),
        ["cvtsi2ss"] = ([0x66, 0x48, 0x0f, 0x7e, 0xc8, 0xf3, 0x48, 0x0f, 0x2a, 0xc0], false, static (a, b, ref c) => (a & 0xffffffff00000000) | Binary32.FromInt64((long)b, ref c)),
        ["cvtsi2sd"] = ([0x66, 0x48, 0x0f, 0x7e, 0xc8, 0xf2, 0x48, 0x0f, 0x2a, 0xc0], false, static (a, b, ref c) => Binary64.FromInt64((long)b, ref c)),
    };

    public static TheoryData<string> Names => [.. Operations.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Operation_OnRandomOperands_EqualsTheHost(string name)
    {
        (byte[] code, bool is32, Operation soft) = Operations[name];
        using SseHost host = new(code);
        int seed = Random.Shared.Next();
        OperandGenerator operands = new(seed);
        for (int i = 0; i < Pairs; i++)
        {
            ulong a = is32 ? operands.Next32() : operands.Next64(), b = is32 ? operands.Next32() : operands.Next64();
            int variant = operands.Random.Next(16);
            uint mxcsr = MasksAll | (uint)(variant & 3) << 13 | ((variant & 4) != 0 ? FTZ : 0) | ((variant & 8) != 0 ? DAZ : 0);
            ulong expected = host.Run(mxcsr, a, b, out uint after);
            FloatContext context = FloatContext.ForSse(mxcsr);
            ulong actual = soft(a, b, ref context);
            if (Width(name) is { } mask)
            {
                expected &= mask;
                actual &= mask;
            }

            if (expected != actual || (after & 0x3f) != (uint)context.Flags)
                Assert.Fail($"{name} {a:x16} {b:x16} mxcsr {mxcsr:x}: host {expected:x16} flags {after & 0x3f:x2}, ours {actual:x16} flags {(uint)context.Flags:x2} (case {i}, seed {seed})");
        }
    }

    // Compare only the flags that comparisons set; scalar binary32 results are the low half.
    private static ulong? Width(string name) => name switch
    {
        "comiss" or "ucomisd" => 0x45,
        "cvttss2si" or "cvttsd2si" => uint.MaxValue,
        _ when name.EndsWith("ss", StringComparison.Ordinal) => uint.MaxValue,
        _ => null,
    };

    private static ulong Rflags(FloatOrder order) => order switch
    {
        FloatOrder.Less => 1,
        FloatOrder.Equal => 0x40,
        FloatOrder.Greater => 0,
        _ => 0x45,
    };

    [Fact]
    public void Arithmetic_RoundingToNearest_EqualsTheLanguage()
    {
        OperandGenerator operands = new(1);
        for (int i = 0; i < 1_000_000; i++)
        {
            ulong a = operands.Next64(), b = operands.Next64();
            double x = BitConverter.UInt64BitsToDouble(a), y = BitConverter.UInt64BitsToDouble(b);
            FloatContext c = FloatContext.ForSse(MasksAll);
            (ulong Ours, double Language) pair = (i & 3) switch
            {
                0 => (Binary64.Add(a, b, ref c), x + y),
                1 => (Binary64.Subtract(a, b, ref c), x - y),
                2 => (Binary64.Multiply(a, b, ref c), x * y),
                _ => (Binary64.Divide(a, b, ref c), x / y),
            };
            double ours = BitConverter.UInt64BitsToDouble(pair.Ours);
            bool same = double.IsNaN(pair.Language) ? double.IsNaN(ours) : pair.Ours == BitConverter.DoubleToUInt64Bits(pair.Language);
            if (!same) Assert.Fail($"{i & 3}: {a:x16} {b:x16} ours {pair.Ours:x16}, language {pair.Language:r}");
        }
    }
}
