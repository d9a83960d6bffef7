namespace Vmm.Cpu.Float;

/// <summary>What an operand is. Everything above <see cref="Infinity"/> is not a number.</summary>
internal enum FloatClass : byte
{
    Zero,

    /// <summary>Finite and not zero, denormals included.</summary>
    Finite,
    Infinity,
    QuietNan,
    SignalingNan,

    /// <summary>An 80-bit pattern without meaning: unnormal, pseudo-infinity, pseudo-NaN (Intel SDM vol. 1 §8.2.2).</summary>
    Unsupported,
}
