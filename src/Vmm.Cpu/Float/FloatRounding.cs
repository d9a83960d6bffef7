namespace Vmm.Cpu.Float;

/// <summary>Rounding control as x87, MXCSR and the SSE4.1 immediates encode it (Intel SDM vol. 1 table 4-8).</summary>
internal enum FloatRounding : byte
{
    NearestEven = 0,
    Down = 1,
    Up = 2,
    Zero = 3,
}
