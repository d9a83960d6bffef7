using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>What one SSE instruction becomes.</summary>
internal readonly unsafe struct SseRecipe
{
    public SseRecipe(SseForm form, int bytes, SimdFeature feature, delegate*<Cpu, Op*, bool> handler)
    {
        Form = form;
        Bytes = (byte)bytes;
        Feature = feature;
        Handler = handler;
    }

    public SseForm Form { get; }

    /// <summary>Size of the operand where it is in memory.</summary>
    public byte Bytes { get; }

    public SimdFeature Feature { get; }

    /// <summary>Works on registers only; null where steps of the interpreter's switch do it all.</summary>
    public delegate*<Cpu, Op*, bool> Handler { get; }
}
