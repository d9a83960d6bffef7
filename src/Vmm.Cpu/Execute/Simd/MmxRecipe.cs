using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>What one MMX instruction becomes.</summary>
internal readonly unsafe struct MmxRecipe
{
    public MmxRecipe(MmxForm form, delegate*<Cpu, Op*, bool> handler, int bytes, SimdFeature feature)
    {
        Form = form;
        Handler = handler;
        Bytes = (byte)bytes;
        Feature = feature;
    }

    public MmxForm Form { get; }

    /// <summary>The SSE handler that does the work on vectors, or for some forms a handler of its own.</summary>
    public delegate*<Cpu, Op*, bool> Handler { get; }

    /// <summary>Size of the operand where it is in memory.</summary>
    public byte Bytes { get; }

    public SimdFeature Feature { get; }
}
