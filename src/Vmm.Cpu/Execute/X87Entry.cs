using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Execute;

/// <summary>One row of the x87 decode table.</summary>
/// <param name="handler">The step's function.</param>
/// <param name="form">Operands and behaviour.</param>
/// <param name="size">Bytes of the memory operand.</param>
/// <param name="argument">Step field C.</param>
/// <param name="pops">Step field A: registers taken off the stack afterwards.</param>
internal readonly unsafe struct X87Entry(delegate*<Cpu, Op*, bool> handler, X87Form form, byte size, byte argument, byte pops)
{
    public readonly delegate*<Cpu, Op*, bool> Handler = handler;
    public readonly X87Form Form = form;
    public readonly byte Size = size;
    public readonly byte Argument = argument;
    public readonly byte Pops = pops;
}
