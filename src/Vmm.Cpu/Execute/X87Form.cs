namespace Vmm.Cpu.Execute;

/// <summary>How an x87 instruction takes its operands and behaves around its work.</summary>
[Flags]
internal enum X87Form : byte
{
    /// <summary>Registers only; ST(i) is in B.</summary>
    Register = 0,

    /// <summary>A memory operand.</summary>
    Memory = 1,

    /// <summary>The memory operand is written.</summary>
    Store = 3,

    /// <summary>Pending exceptions are not looked at before it (the FN forms).</summary>
    NoWait = 4,

    /// <summary>Leaves the instruction and data pointers alone.</summary>
    Control = 8,
}
