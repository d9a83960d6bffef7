using Vmm.Host;

namespace Vmm.Machine;

/// <summary>A vCPU and the thread that runs it.</summary>
/// <param name="Index">0 for the boot processor.</param>
/// <param name="ThreadId">The thread's id on the host.</param>
/// <param name="Use">What the thread does and has cost since the guest's last start.</param>
/// <param name="Affinity">The processors of the host on which it may run.</param>
public sealed record VcpuReport(int Index, int ThreadId, ThreadUse Use, IReadOnlyList<int> Affinity);
