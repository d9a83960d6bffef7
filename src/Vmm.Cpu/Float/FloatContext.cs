namespace Vmm.Cpu.Float;

/// <summary>The environment of an operation, and what it reports back. Flags gather over several operations; the owner copies them to MXCSR or FSW.</summary>
internal struct FloatContext
{
    private const int MxcsrDaz = 6, MxcsrMasks = 7, MxcsrRounding = 13, MxcsrFtz = 15, ControlRounding = 10;

    /// <summary>Exceptions raised.</summary>
    public FloatFlags Flags;

    /// <summary>Exceptions that are masked: they give a default result instead of a fault.</summary>
    public FloatFlags Masks;
    public FloatRounding Rounding;
    public NanRule Nan;

    /// <summary>Tiny results become zero while underflow is masked (MXCSR.FTZ).</summary>
    public bool FlushToZero;

    /// <summary>Denormal operands count as zero and raise nothing (MXCSR.DAZ).</summary>
    public bool DenormalsAreZero;

    /// <summary>The last rounding went away from zero (x87 C1).</summary>
    public bool RoundedUp;

    /// <summary>An unmasked exception was raised.</summary>
    public readonly bool Faults => (Flags & ~Masks) != 0;

    /// <summary>An unmasked exception was raised before anything was computed.</summary>
    public readonly bool FaultsBefore => (Flags & ~Masks & FloatFlags.BeforeComputation) != 0;

    /// <summary>The environment of SSE instructions.</summary>
    public static FloatContext ForSse(uint mxcsr) => new()
    {
        Masks = (FloatFlags)(mxcsr >> MxcsrMasks) & FloatFlags.All,
        Rounding = (FloatRounding)(mxcsr >> MxcsrRounding & 3),
        Nan = NanRule.FirstOperand,
        FlushToZero = (mxcsr >> MxcsrFtz & 1) != 0,
        DenormalsAreZero = (mxcsr >> MxcsrDaz & 1) != 0,
    };

    /// <summary>The environment of x87 instructions.</summary>
    public static FloatContext ForX87(ushort fcw) => new()
    {
        Masks = (FloatFlags)fcw & FloatFlags.All,
        Rounding = (FloatRounding)(fcw >> ControlRounding & 3),
        Nan = NanRule.LargerSignificand,
    };
}
