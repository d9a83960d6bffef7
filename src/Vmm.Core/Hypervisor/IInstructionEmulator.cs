using Vmm.Core.Memory;

namespace Vmm.Core.Hypervisor;

/// <summary>Executes single instructions on a captured state: what a hypervisor falls back on when its own emulator gives up.</summary>
public interface IInstructionEmulator
{
    /// <summary>
    /// Executes exactly the one instruction at RIP. Called on the thread of the vCPU, never for two vCPUs at once by the same
    /// <paramref name="state"/>; different vCPUs may call at the same time. Never throws, whatever the guest wrote there.
    /// </summary>
    /// <param name="state">The complete state; changed as the instruction changes it.</param>
    /// <param name="memory">The guest's memory, which other vCPUs may be changing: locked operations must be atomic on it.</param>
    /// <param name="io">For ports and MMIO that the instruction touches.</param>
    EmulationResult ExecuteOne(VcpuState state, GuestMemory memory, IVcpuIo io);
}
