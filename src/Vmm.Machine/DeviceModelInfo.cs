namespace Vmm.Machine;

/// <summary>The process that serves a machine's disks and network devices.</summary>
/// <param name="ProcessId">Its number.</param>
/// <param name="Starts">How often it was started: once, and again whenever it had died.</param>
/// <param name="CpuTime">Its time on processors, since its last start.</param>
public sealed record DeviceModelInfo(int ProcessId, int Starts, TimeSpan CpuTime);
