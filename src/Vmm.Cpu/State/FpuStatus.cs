namespace Vmm.Cpu.State;

/// <summary>The x87 status word beside the exception flags (Intel SDM vol. 1 §8.1.3); TOP is in bits 11 to 13.</summary>
[Flags]
internal enum FpuStatus : ushort
{
    None = 0,

    /// <summary>Stack fault: the invalid operation was an overflow (C1 set) or underflow of the register stack.</summary>
    SF = 0x40,

    /// <summary>Error summary: an unmasked exception is pending.</summary>
    ES = 0x80,
    C0 = 0x100,
    C1 = 0x200,
    C2 = 0x400,
    C3 = 0x4000,

    /// <summary>Busy: follows ES.</summary>
    B = 0x8000,

    Conditions = C0 | C1 | C2 | C3,
    Top = 7 << 11,
}
