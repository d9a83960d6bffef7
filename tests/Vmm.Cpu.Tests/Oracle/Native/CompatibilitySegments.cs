namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>Selectors that 32-bit or 16-bit code starts with; DS and ES have the same.</summary>
internal readonly record struct CompatibilitySegments(ushort Code, ushort Data, ushort Stack)
{
    /// <summary>Flat segments, as a 32-bit Linux process has them.</summary>
    public static CompatibilitySegments Flat32 { get; } = new(OracleLayout.UserCode32, OracleLayout.UserData, OracleLayout.UserData);

    /// <summary>Segments of the local descriptor table, see <see cref="LocalDescriptors"/>.</summary>
    public static CompatibilitySegments Ldt16 { get; } = new(OracleLayout.LdtCode16, OracleLayout.LdtData16, OracleLayout.LdtStack16);
}
