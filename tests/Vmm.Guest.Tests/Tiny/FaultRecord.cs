namespace Vmm.Guest.Tests.Tiny;

/// <summary>An exception or interrupt as a guest's handler saw it.</summary>
internal readonly record struct FaultRecord(ulong Vector, ulong Error, ulong Rip, ulong Cs, ulong Flags, ulong Rsp, ulong Ss, ulong Cr2);
