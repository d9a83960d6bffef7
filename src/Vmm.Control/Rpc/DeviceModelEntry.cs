namespace Vmm.Control.Rpc;

/// <summary>The process that serves a domain's disks and network devices.</summary>
/// <param name="ProcessId">Its number.</param>
/// <param name="Starts">How often it was started: once, and again whenever it had died.</param>
/// <param name="CpuSeconds">Its processor time, since its last start.</param>
public sealed record DeviceModelEntry(int ProcessId, int Starts, double CpuSeconds);
