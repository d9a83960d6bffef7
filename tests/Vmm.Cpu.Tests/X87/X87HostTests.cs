using Vmm.Cpu.Tests.Float;

namespace Vmm.Cpu.Tests.X87;

/// <summary>
/// x87 instructions against the host's own x87 unit: whole register stack, tags, status word, memory operand and RFLAGS, under random control
/// words (rounding, precision, masks), stack depths and operands.
/// </summary>
public sealed class X87HostTests
{
    private const int Cases = 6_000;
    private const ushort C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000;
    private const ulong StatusFlags = 0x8d5;

    private enum Operand
    {
        None,
        Single,
        Double,
        Extended,
        Integer,
        Decimal,
    }

    private sealed record Row(byte[] Code, Operand Operand = Operand.None, ushort Undefined = C0 | C2 | C3, ulong OperandLowMask = ulong.MaxValue, ulong OperandHighMask = ulong.MaxValue);

    private static readonly Dictionary<string, Row> Rows = BuildRows();

    public static TheoryData<string> Names => [.. Rows.Keys];

    private static Dictionary<string, Row> BuildRows()
    {
        Dictionary<string, Row> rows = new(StringComparer.Ordinal);
        string[] arithmetic = ["fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr"];
        for (int i = 0; i < 8; i++)
        {
            ushort undefined = i is 2 or 3 ? (ushort)0 : (ushort)(C0 | C2 | C3);
            byte memory = (byte)((i << 3) | 2), register = (byte)(0xc0 | (i << 3) | 3);
            rows[arithmetic[i] + " m32"] = new Row([0xd8, memory], Operand.Single, undefined);
            rows[arithmetic[i] + " m64"] = new Row([0xdc, memory], Operand.Double, undefined);
            rows["fi" + arithmetic[i][1..] + " m32"] = new Row([0xda, memory], Operand.Integer, undefined);
            rows["fi" + arithmetic[i][1..] + " m16"] = new Row([0xde, memory], Operand.Integer, undefined);
            rows[arithmetic[i] + " st0,st3"] = new Row([0xd8, register], Undefined: undefined);
            rows[arithmetic[i] + " st3,st0"] = new Row([0xdc, register], Undefined: undefined);
            if (i != 3) rows[arithmetic[i] + "p st3"] = new Row([0xde, register], Undefined: undefined);
            rows[arithmetic[i] + " st0,st0"] = new Row([0xd8, (byte)(0xc0 | (i << 3))], Undefined: undefined);
        }

        rows["fcompp"] = new Row([0xde, 0xd9], Undefined: 0);
        rows["fucompp"] = new Row([0xda, 0xe9], Undefined: 0);
        rows["fucom"] = new Row([0xdd, 0xe3], Undefined: 0);
        rows["fucomp"] = new Row([0xdd, 0xeb], Undefined: 0);
        rows["fcomi"] = new Row([0xdb, 0xf3], Undefined: C0 | C1 | C2 | C3);
        rows["fucomi"] = new Row([0xdb, 0xeb], Undefined: C0 | C1 | C2 | C3);
        rows["fcomip"] = new Row([0xdf, 0xf3], Undefined: C0 | C1 | C2 | C3);
        rows["fucomip"] = new Row([0xdf, 0xeb], Undefined: C0 | C1 | C2 | C3);
        rows["ftst"] = new Row([0xd9, 0xe4], Undefined: 0);
        rows["fxam"] = new Row([0xd9, 0xe5], Undefined: 0);
        rows["fld m32"] = new Row([0xd9, 0x02], Operand.Single);
        rows["fld m64"] = new Row([0xdd, 0x02], Operand.Double);
        rows["fld m80"] = new Row([0xdb, 0x2a], Operand.Extended);
        rows["fld st3"] = new Row([0xd9, 0xc3]);
        rows["fild m16"] = new Row([0xdf, 0x02], Operand.Integer);
        rows["fild m32"] = new Row([0xdb, 0x02], Operand.Integer);
        rows["fild m64"] = new Row([0xdf, 0x2a], Operand.Integer);
        rows["fbld"] = new Row([0xdf, 0x22], Operand.Decimal);
        rows["fst m32"] = new Row([0xd9, 0x12]);
        rows["fstp m32"] = new Row([0xd9, 0x1a]);
        rows["fst m64"] = new Row([0xdd, 0x12]);
        rows["fstp m64"] = new Row([0xdd, 0x1a]);
        rows["fstp m80"] = new Row([0xdb, 0x3a]);
        rows["fst st3"] = new Row([0xdd, 0xd3]);
        rows["fstp st3"] = new Row([0xdd, 0xdb]);
        rows["fstp st0"] = new Row([0xdd, 0xd8]);
        rows["fist m16"] = new Row([0xdf, 0x12]);
        rows["fist m32"] = new Row([0xdb, 0x12]);
        rows["fistp m16"] = new Row([0xdf, 0x1a]);
        rows["fistp m32"] = new Row([0xdb, 0x1a]);
        rows["fistp m64"] = new Row([0xdf, 0x3a]);
        rows["fisttp m16"] = new Row([0xdf, 0x0a]);
        rows["fisttp m32"] = new Row([0xdb, 0x0a]);
        rows["fisttp m64"] = new Row([0xdd, 0x0a]);
        rows["fbstp"] = new Row([0xdf, 0x32]);
        rows["fxch"] = new Row([0xd9, 0xcb]);
        rows["ffree"] = new Row([0xdd, 0xc3], Undefined: C0 | C1 | C2 | C3);
        rows["ffreep"] = new Row([0xdf, 0xc3], Undefined: C0 | C1 | C2 | C3);
        for (int i = 0; i < 8; i++)
            rows[$"fcmov {i}"] = new Row([(byte)(i < 4 ? 0xda : 0xdb), (byte)(0xc3 + ((i & 3) * 8))]);
        for (int i = 0; i < 7; i++) rows[$"constant {i}"] = new Row([0xd9, (byte)(0xe8 + i)]);
        rows["fchs"] = new Row([0xd9, 0xe0]);
        rows["fabs"] = new Row([0xd9, 0xe1]);
        rows["fsqrt"] = new Row([0xd9, 0xfa]);
        rows["frndint"] = new Row([0xd9, 0xfc]);
        rows["fscale"] = new Row([0xd9, 0xfd]);
        rows["fxtract"] = new Row([0xd9, 0xf4]);
        rows["fprem"] = new Row([0xd9, 0xf8], Undefined: 0);
        rows["fprem1"] = new Row([0xd9, 0xf5], Undefined: 0);
        rows["fincstp"] = new Row([0xd9, 0xf7]);
        rows["fdecstp"] = new Row([0xd9, 0xf6]);
        rows["fnop"] = new Row([0xd9, 0xd0]);
        rows["fnclex"] = new Row([0xdb, 0xe2]);
        rows["fninit"] = new Row([0xdb, 0xe3], Undefined: 0);
        rows["fnstcw"] = new Row([0xd9, 0x3a]);
        rows["fnstsw"] = new Row([0xdd, 0x3a]);
        // The pointers behind the tag word are each machine's own.
        rows["fnstenv"] = new Row([0xd9, 0x32], OperandHighMask: uint.MaxValue);
        rows["fnstenv 16"] = new Row([0x66, 0xd9, 0x32], OperandLowMask: ulong.MaxValue >> 16, OperandHighMask: 0);
        rows["fldcw"] = new Row([0xd9, 0x2a], Operand.Integer);
        return rows;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Instruction_OnRandomState_EqualsTheHost(string name)
    {
        Row row = Rows[name];
        int seed = Random.Shared.Next();
        OperandGenerator operands = new(seed);
        using X87Host host = new(row.Code);
        using X87Guest guest = new();
        for (int i = 0; i < Cases; i++)
        {
            X87Image before = Draw(operands, row.Operand), expected = before, actual = before;
            host.Run(ref expected);
            guest.Run(ref actual, row.Code);
            string? difference = Difference(row, expected, actual);
            if (difference != null)
                Assert.Fail($"{name}: {difference} (case {i}, seed {seed})\nbefore {before.Describe(4)}\nhost   {expected.Describe(4)}\nours   {actual.Describe(4)}");
        }
    }

    [Fact]
    public void Instructions_OnceWarm_AllocateNothing()
    {
        using X87Guest guest = new();
        OperandGenerator operands = new(3);
        foreach ((string name, Row row) in Rows)
        {
            X87Image drawn = Draw(operands, row.Operand), image = drawn;
            for (int i = 0; i < 3; i++, image = drawn) guest.Run(ref image, row.Code);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++, image = drawn) guest.Run(ref image, row.Code);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated == 0, $"{name}: {allocated} bytes");
        }
    }

    /// <summary>A random state of the unit without a pending exception.</summary>
    internal static X87Image Draw(OperandGenerator operands) => Draw(operands, Operand.None);

    private static X87Image Draw(OperandGenerator operands, Operand operand)
    {
        Random random = operands.Random;
        X87Image image = default;
        image.Control = (ushort)(0x40 | (random.Next(4) << 10) | (random.Next(3) switch { 0 => 0, 1 => 2, _ => 3 } << 8) | (random.Next(3) == 0 ? random.Next(0x40) : 0x3f));
        image.ControlHigh = image.StatusHigh = image.TagHigh = 0xffff;
        int top = random.Next(8);
        // Flags that are set already must be masked ones: a pending exception would stop the next instruction.
        int flags = random.Next(4) == 0 ? random.Next(0x80) & (image.Control | 0x40) & 0x7f : 0;
        image.Status = (ushort)((top << 11) | flags | (random.Next(8) << 8) | (random.Next(2) << 14));
        int empty = random.Next(6) switch { 0 => random.Next(256), 1 => 0xff, 2 => 0, _ => 0xe0 << top | 0xe0 >> (8 - top) };
        for (int physical = 0; physical < 8; physical++)
        {
            if ((empty >> physical & 1) != 0) image.Tag |= (ushort)(3 << (physical * 2));
        }

        for (int i = 0; i < 8; i++)
        {
            (ulong significand, ushort signExponent) = operands.Next80();
            image.SetSt(i, significand, signExponent);
        }

        (image.OperandLow, image.OperandHigh) = operand switch
        {
            Operand.Single => (operands.Next32(), 0UL),
            Operand.Double => (operands.Next64(), 0UL),
            Operand.Extended => operands.Next80() is var e ? (e.Significand, e.SignExponent) : default,
            Operand.Integer => ((ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64), 0UL),
            Operand.Decimal => (Decimal(random, 16), Decimal(random, 2) | (random.Next(2) == 0 ? 0x8000UL : 0)),
            _ => (0x1122334455667788UL, 0x99aabbccddeeff00UL),
        };
        image.Rflags = 2 | ((ulong)random.Next(0x1000) & StatusFlags);
        return image;
    }

    private static ulong Decimal(Random random, int digits)
    {
        ulong value = 0;
        for (int i = 0; i < digits; i++) value = (value << 4) | (uint)random.Next(10);
        return value;
    }

    private static string? Difference(Row row, in X87Image expected, in X87Image actual)
    {
        if (expected.Control != actual.Control) return "control word";
        if (((expected.Status ^ actual.Status) & ~row.Undefined) != 0) return "status word";
        if (expected.Tag != actual.Tag) return "tag word";
        if (((expected.OperandLow ^ actual.OperandLow) & row.OperandLowMask) != 0 || ((expected.OperandHigh ^ actual.OperandHigh) & row.OperandHighMask) != 0) return "memory";
        if (((expected.Rflags ^ actual.Rflags) & StatusFlags) != 0) return "rflags";
        for (int i = 0; i < 8; i++)
        {
            if (expected.St(i) != actual.St(i)) return $"st{i}";
        }

        return null;
    }
}
