using PolyType;
using Vmm.Control.Domains;

namespace Vmm.Control.Rpc;

/// <summary>What a domain says of itself.</summary>
/// <param name="Id">Counts up; 0 is the host.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Cpu">"kvm" or "software"; "none" when there is no guest any more.</param>
/// <param name="Vcpus">Number of vCPUs.</param>
/// <param name="MemoryBytes">Guest RAM, with what is in the balloon.</param>
/// <param name="MaximumMemoryBytes">What domain.setMemory may give it at the most.</param>
/// <param name="BalloonBytes">What the guest has put into its balloon; null without one.</param>
/// <param name="CpuSeconds">Processor time of the domain's process since the domain was made, without that of its device model.</param>
/// <param name="UptimeSeconds">Machine time since the guest's last start: stands still while it is paused.</param>
/// <param name="Boots">How often the guest was started, resets included.</param>
/// <param name="ProcessId">The domain's process.</param>
/// <param name="Created">When the domain was made.</param>
/// <param name="LastEnd">The guest's last end; null when it has had none.</param>
/// <param name="DeviceModel">The process that serves its disks and network devices; null where the domain's own does.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record DomainInfo(int Id, string Name, Guid Uuid, DomainState State, string Cpu, int Vcpus, ulong MemoryBytes, ulong MaximumMemoryBytes, ulong? BalloonBytes,
    double CpuSeconds, double UptimeSeconds, int Boots, int ProcessId, DateTimeOffset Created, GuestEnd? LastEnd, DeviceModelEntry? DeviceModel = null);
