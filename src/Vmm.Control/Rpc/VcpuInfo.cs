using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>A vCPU and the thread that runs it.</summary>
/// <param name="Index">Its number; 0 is the boot processor.</param>
/// <param name="State">What it is doing.</param>
/// <param name="ThreadId">The thread's id on the host.</param>
/// <param name="CpuSeconds">The thread's processor time since the guest's last start.</param>
/// <param name="Cpu">The processor of the host on which it ran last.</param>
/// <param name="Affinity">The processors of the host on which it may run.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record VcpuInfo(int Index, VcpuRunState State, int ThreadId, double CpuSeconds, int Cpu, IReadOnlyList<int> Affinity);
