namespace Vmm.Cpu.State;

/// <summary>Segment register numbers as instructions encode them.</summary>
internal static class Seg
{
    public const byte Es = 0, Cs = 1, Ss = 2, Ds = 3, Fs = 4, Gs = 5, Count = 6;
}
