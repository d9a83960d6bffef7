namespace Vmm.Cpu.Decode;

/// <summary>Marks on an <see cref="Op"/>.</summary>
[Flags]
internal enum OpFlags : byte
{
    None = 0,

    /// <summary>The address is a stack address: a non-canonical one is #SS, not #GP.</summary>
    Stack = 1,

    /// <summary>The memory operand is written (limit and right checks of <see cref="OpCode.Call"/>ed address steps).</summary>
    Write = 2,

    /// <summary>REP or REPE prefix.</summary>
    Rep = 4,

    /// <summary>REPNE prefix.</summary>
    Repne = 8,

    /// <summary>LOCK prefix.</summary>
    Lock = 16,

    /// <summary>The first step of its instruction.</summary>
    First = 32,
}
