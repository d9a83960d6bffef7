namespace Vmm.Cpu.Execute;

/// <summary>The two-operand arithmetic of x87; "reverse" swaps the operands.</summary>
internal enum X87Operation : byte
{
    Add,
    Multiply,
    Subtract,
    SubtractReverse,
    Divide,
    DivideReverse,
}
