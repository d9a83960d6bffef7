using Vmm.Cpu.Tests.Float;

namespace Vmm.Cpu.Tests.X87;

/// <summary>Transcendental x87 instructions against the host's: special operands exactly, values within one unit in the last place.</summary>
public sealed class X87FunctionTests
{
    private const int Cases = 6_000;
    private const ushort AllMasked = 0x37f, StackFull = 0x3000, PE = 0x20, UE = 0x10;
    private const ushort C2 = 0x400, Exceptions = 0x7f;

    private static readonly Dictionary<string, byte> Functions = new()
    {
        ["f2xm1"] = 0xf0,
        ["fyl2x"] = 0xf1,
        ["fptan"] = 0xf2,
        ["fpatan"] = 0xf3,
        ["fyl2xp1"] = 0xf9,
        ["fsincos"] = 0xfb,
        ["fsin"] = 0xfe,
        ["fcos"] = 0xff,
    };

    public static TheoryData<string> Names => [.. Functions.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Function_OnRandomOperands_IsWithinOneUlpOfTheHost(string name)
    {
        byte[] instruction = [0xd9, Functions[name]];
        int seed = Random.Shared.Next();
        OperandGenerator operands = new(seed);
        using X87Host host = new(instruction);
        using X87Guest guest = new();
        for (int i = 0; i < Cases; i++)
        {
            X87Image before = Draw(operands, name), expected = before, actual = before;
            host.Run(ref expected);
            guest.Run(ref actual, instruction);
            string? difference = Difference(expected, actual);
            if (difference != null)
                Assert.Fail($"{name}: {difference} (case {i}, seed {seed})\nbefore {before.Describe()}\nhost   {expected.Describe()}\nours   {actual.Describe()}");
        }
    }

    private static X87Image Draw(OperandGenerator operands, string name)
    {
        X87Image image = default;
        image.Control = AllMasked;
        image.ControlHigh = image.StatusHigh = image.TagHigh = 0xffff;
        image.Status = StackFull;
        // Six registers in use leave room for a push.
        image.Tag = 0x000f << 2;
        for (int i = 0; i < 8; i++)
        {
            (ulong significand, ushort signExponent) = operands.Next80();
            bool undefined = name == "fyl2xp1" && (signExponent & 0x7fff) is > 0x3ffc and < 0x7fff;
            if (i == 0 && (undefined || operands.Random.Next(8) != 0)) signExponent = Narrow(operands.Random, name, signExponent);
            image.SetSt(i, significand, signExponent);
        }

        image.Rflags = 2;
        return image;
    }

    /// <summary>Exponents for which the instruction is defined and interesting.</summary>
    private static ushort Narrow(Random random, string name, ushort signExponent)
    {
        int exponent = name switch
        {
            "f2xm1" => 0x3ffe - random.Next(0, random.Next(1, 80)),
            "fyl2xp1" => 0x3ffc - random.Next(0, random.Next(1, 80)),
            "fyl2x" or "fpatan" => 0x3fff + random.Next(-70, 70),
            _ => 0x3fff + random.Next(-70, 63),
        };
        return (ushort)((signExponent & 0x8000) | exponent);
    }

    private static string? Difference(in X87Image expected, in X87Image actual)
    {
        if (((expected.Status ^ actual.Status) & (Exceptions | C2 | 0x3800) & ~(PE | UE)) != 0) return "status word";
        if (expected.Tag != actual.Tag) return "tag word";
        for (int i = 0; i < 8; i++)
        {
            if (Distance(expected.St(i), actual.St(i)) > 1) return $"st{i}";
        }

        return null;
    }

    private static UInt128 Distance((ulong Significand, ushort SignExponent) a, (ulong Significand, ushort SignExponent) b)
    {
        if (a == b) return 0;
        if ((a.SignExponent ^ b.SignExponent) >> 15 != 0) return UInt128.MaxValue;
        // Without the integer bit neighbours are one apart, across exponents too.
        UInt128 x = ((UInt128)a.SignExponent << 63) + (a.Significand & (ulong.MaxValue >> 1)), y = ((UInt128)b.SignExponent << 63) + (b.Significand & (ulong.MaxValue >> 1));
        return x > y ? x - y : y - x;
    }
}
