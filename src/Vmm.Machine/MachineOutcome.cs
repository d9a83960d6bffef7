namespace Vmm.Machine;

/// <summary>The end of a machine.</summary>
/// <param name="End">Which end.</param>
/// <param name="Reason">One line for the user.</param>
/// <param name="Dump">Registers of the vCPU that brought it about, several lines; null where they tell nothing.</param>
public sealed record MachineOutcome(MachineEnd End, string Reason, string? Dump = null);
