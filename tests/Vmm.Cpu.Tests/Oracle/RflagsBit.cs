namespace Vmm.Cpu.Tests.Oracle;

/// <summary>RFLAGS as user code can see and change them (Intel SDM vol. 1 §3.4.3).</summary>
[Flags]
internal enum RflagsBit : ulong
{
    CF = 1 << 0,
    Fixed1 = 1 << 1,
    PF = 1 << 2,
    AF = 1 << 4,
    ZF = 1 << 6,
    SF = 1 << 7,
    TF = 1 << 8,
    IF = 1 << 9,
    DF = 1 << 10,
    OF = 1 << 11,
    IOPL = 3 << 12,
    NT = 1 << 14,
    RF = 1 << 16,
    AC = 1 << 18,
    ID = 1 << 21,
    Status = CF | PF | AF | ZF | SF | OF,
}
