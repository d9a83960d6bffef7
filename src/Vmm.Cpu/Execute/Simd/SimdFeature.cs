namespace Vmm.Cpu.Execute.Simd;

/// <summary>The CPUID bit that an instruction hangs on.</summary>
internal enum SimdFeature : byte
{
    /// <summary>MMX, SSE or SSE2, which every 64-bit processor has.</summary>
    Base,
    Sse3,
    Ssse3,
    Sse41,
    Sse42,
    Aes,
    Pclmulqdq,
}
