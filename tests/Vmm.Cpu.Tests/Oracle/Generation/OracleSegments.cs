using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Segment bases that cases run with.</summary>
internal static class OracleSegments
{
    /// <summary>Base of the code segment: what to take off a linear address of code to have RIP.</summary>
    public static uint CodeBase(int bitness) => bitness == 16 ? OracleLayout.Code : 0;

    public static ulong Base(int bitness, Register segment) => (bitness, segment) switch
    {
        (64, Register.FS) => OracleLayout.FsBase,
        (64, Register.GS) => OracleLayout.GsBase,
        (16, Register.CS) => OracleLayout.Code,
        (16, Register.DS or Register.ES or Register.SS) => OracleLayout.Data16Base,
        _ => 0,
    };
}
