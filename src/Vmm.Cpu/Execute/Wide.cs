namespace Vmm.Cpu.Execute;

/// <summary>16-byte compare-and-exchange.</summary>
internal static unsafe class Wide
{
    private static readonly object Gate = new();

    /// <summary>Atomic towards other vCPUs' CMPXCHG16B; .NET has no 128-bit interlocked exchange on raw memory.</summary>
    public static UInt128 CompareExchange(byte* pointer, UInt128 expected, UInt128 wanted)
    {
        lock (Gate)
        {
            UInt128 old = *(UInt128*)pointer;
            if (old == expected) *(UInt128*)pointer = wanted;
            return old;
        }
    }
}
