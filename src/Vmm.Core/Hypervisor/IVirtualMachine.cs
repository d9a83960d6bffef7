using Vmm.Core.Interrupts;

namespace Vmm.Core.Hypervisor;

/// <summary>One guest's CPUs and interrupt inputs.</summary>
public interface IVirtualMachine : IDisposable
{
    /// <summary>The inputs of the interrupt controllers.</summary>
    IInterruptController Interrupts { get; }

    /// <summary>Makes vCPU <paramref name="index"/>; vCPU 0 is the boot processor, the others wait for INIT/SIPI. Call on any thread; run on one.</summary>
    IVcpu CreateVcpu(int index);

    /// <summary>
    /// Binds an eventfd to a 16 or 32-bit write at a guest-physical address, so that the write needs no exit to the device
    /// (ioeventfd on KVM, an address match on the software CPU).
    /// </summary>
    /// <param name="gpa">The doorbell's address.</param>
    /// <param name="match">The value written must equal this; null matches any.</param>
    /// <param name="sizeBytes">Width of the write: 2 or 4, 0 for any.</param>
    /// <param name="eventFd">Host descriptor to signal.</param>
    /// <returns>False when the hypervisor cannot; the write then reaches the bus.</returns>
    bool TryBindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd);

    /// <summary>All vCPUs stand still and the machine's time with them: what keeps time of its own stops, too. May be repeated.</summary>
    void Pause() { }

    /// <summary>The vCPUs are about to run again.</summary>
    void Resume() { }

    /// <summary>Undoes <see cref="TryBindDoorbell"/> with the same values.</summary>
    void UnbindDoorbell(ulong gpa, uint? match, int sizeBytes, int eventFd);
}
