namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Draws the registers beside the general ones: flags, x87, MMX and SSE.</summary>
internal static unsafe class StateMixer
{
    private const uint MxcsrDefaultMasks = 0x1f80;
    private const ushort FcwDefaultMasks = 0x003f;

    private static readonly ushort[] Selectors =
    [
        0, 1, 2, 3, OracleLayout.UserCode32, OracleLayout.UserCode32 & ~3, OracleLayout.UserData, OracleLayout.UserData & ~3,
        OracleLayout.UserData, OracleLayout.UserCode64, 0x10, 0x13, 0x18, 0x1b, 0xfff8, 0xffff,
    ];

    public static ushort ChooseSelector(ref Rng rng) => rng.Pick<ushort>(Selectors);

    public static void FillSystem(ref Rng rng, ref MachineImage image)
    {
        RflagsBit flags = (RflagsBit)rng.Next() & RflagsBit.Status;
        if (rng.Chance(25)) flags |= RflagsBit.DF;
        if (rng.Chance(2)) flags |= RflagsBit.ID;
        image.Rflags = (ulong)(flags | RflagsBit.Fixed1 | RflagsBit.IF);

        fixed (byte* fx = image.Fx)
        {
            Span<byte> area = new(fx, MachineImage.FxSize);
            area.Clear();
            for (int i = 0; i < 8; i++) ValueMixer.Extended(ref rng, area.Slice(MachineImage.FxSt + (16 * i), 10));
            for (int i = 0; i < 16; i++) ValueMixer.Vector(ref rng, area.Slice(MachineImage.FxXmm + (16 * i), 16));
        }

        image.Fcw = ChooseFcw(ref rng);
        image.Fsw = ChooseFsw(ref rng);
        // Without a pending exception, unless one is wanted: it would stop nearly every x87 instruction.
        if (!rng.Chance(3)) image.Fsw &= (ushort)~(~image.Fcw & FcwDefaultMasks);
        image.Ftw = rng.Below(4) switch { 0 => 0xff, 1 => 0, _ => (byte)rng.Next() };
        image.Mxcsr = ChooseMxcsr(ref rng);
    }

    /// <summary>All rounding modes and precisions; exceptions mostly masked.</summary>
    public static ushort ChooseFcw(ref Rng rng)
    {
        ushort masks = rng.Chance(80) ? FcwDefaultMasks : (ushort)(rng.Next() & FcwDefaultMasks);
        ushort precision = rng.Pick<ushort>([0x300, 0x300, 0x300, 0x200, 0x000]);
        return (ushort)(masks | precision | (rng.Below(4) << 10) | 0x40);
    }

    /// <summary>Any top of stack, condition codes and sticky exceptions. ES and B follow from these and the control word.</summary>
    public static ushort ChooseFsw(ref Rng rng)
    {
        ushort sticky = rng.Chance(50) ? (ushort)0 : (ushort)(rng.Next() & 0x7f);
        return (ushort)((rng.Next() & 0x7f00) | sticky);
    }

    /// <summary>All rounding modes, DAZ, FTZ, sticky exceptions; exceptions mostly masked.</summary>
    public static uint ChooseMxcsr(ref Rng rng)
    {
        uint masks = rng.Chance(85) ? MxcsrDefaultMasks : (uint)rng.Next() & MxcsrDefaultMasks;
        uint sticky = rng.Chance(50) ? 0 : (uint)rng.Next() & 0x3f;
        uint control = (uint)rng.Below(4) << 13;
        if (rng.Chance(20)) control |= 1u << 15;
        if (rng.Chance(20)) control |= 1u << 6;
        return masks | sticky | control;
    }
}
