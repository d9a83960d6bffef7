using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;

namespace Vmm.Machine;

/// <summary>Takes the I/O of one vCPU to the machine's buses.</summary>
internal sealed class VcpuIo(AddressBus ports, AddressBus mmio, int vcpu) : IVcpuIo
{
    /// <inheritdoc/>
    public void PortIn(ushort port, Span<byte> data) => ports.Read(port, data, vcpu);

    /// <inheritdoc/>
    public void PortOut(ushort port, ReadOnlySpan<byte> data) => ports.Write(port, data, vcpu);

    /// <inheritdoc/>
    public void MmioRead(ulong gpa, Span<byte> data) => mmio.Read(gpa, data, vcpu);

    /// <inheritdoc/>
    public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) => mmio.Write(gpa, data, vcpu);
}
