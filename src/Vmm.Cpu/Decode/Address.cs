namespace Vmm.Cpu.Decode;

/// <summary>A memory operand's address: <c>R[Base] + (R[Index] &lt;&lt; Scale) + Disp</c>.</summary>
internal readonly record struct Address(byte Base, byte Index, byte Scale, int Disp, bool Stack)
{
    public unsafe void ApplyTo(Op* op)
    {
        op->Base = Base;
        op->Index = Index;
        op->Scale = Scale;
        op->Disp = Disp;
        if (Stack) op->Flags |= OpFlags.Stack;
    }
}
