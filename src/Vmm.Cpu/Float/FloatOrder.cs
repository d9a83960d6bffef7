namespace Vmm.Cpu.Float;

/// <summary>Outcome of a comparison.</summary>
internal enum FloatOrder : byte
{
    Less,
    Equal,
    Greater,
    Unordered,
}
