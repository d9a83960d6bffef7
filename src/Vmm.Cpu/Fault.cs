namespace Vmm.Cpu;

/// <summary>An exception that an instruction raised and that is still to be delivered.</summary>
internal struct Fault
{
    public bool Active;
    public byte Vector;
    public bool HasErrorCode;
    public uint ErrorCode;

    /// <summary>#PF: the linear address for CR2.</summary>
    public ulong Address;

    /// <summary>#GP(0) for an address that is not canonical; it becomes #SS where the operand's segment is SS.</summary>
    public bool IsNonCanonical;

    /// <summary>INT n, INT3, INTO: gate privilege is checked and RIP points behind the instruction.</summary>
    public bool IsSoftware;

    /// <summary>Where the instruction of a software interrupt stands.</summary>
    public ulong InstructionRip;

    /// <summary>A trap, delivered after the instruction: RIP is left as it is.</summary>
    public bool IsTrap;

    /// <summary>External interrupt or NMI: RIP is a boundary already, error codes carry EXT.</summary>
    public bool IsExternal;
}
