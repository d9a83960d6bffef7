namespace Vmm.Control.Rpc;

/// <summary>What a domain says of itself.</summary>
/// <param name="Id">Counts up; 0 is the host.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="State">"running" or "paused".</param>
/// <param name="Cpu">"kvm" or "software".</param>
/// <param name="Vcpus">Number of vCPUs.</param>
/// <param name="MemoryBytes">Guest RAM.</param>
/// <param name="CpuSeconds">Processor time of the whole process.</param>
/// <param name="UptimeSeconds">Machine time: stands still while it is paused.</param>
/// <param name="Boots">How often the guest was started, resets included.</param>
public sealed record DomainInfo(int Id, string Name, Guid Uuid, string State, string Cpu, int Vcpus, ulong MemoryBytes, double CpuSeconds, double UptimeSeconds, int Boots);
