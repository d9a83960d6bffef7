namespace Vmm.Cpu.State;

internal static unsafe class FxArea
{
    public static void Save(CpuState* s, Span<byte> area)
    {
    }

    public static void Restore(CpuState* s, ReadOnlySpan<byte> area)
    {
    }
}
