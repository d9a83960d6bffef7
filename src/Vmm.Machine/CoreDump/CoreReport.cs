namespace Vmm.Machine.CoreDump;

/// <summary>A core file that was written.</summary>
/// <param name="SizeBytes">Its length.</param>
/// <param name="WrittenBytes">What was written; the rest are holes.</param>
public sealed record CoreReport(ulong SizeBytes, ulong WrittenBytes);
