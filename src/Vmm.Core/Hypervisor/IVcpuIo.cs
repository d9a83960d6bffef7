namespace Vmm.Core.Hypervisor;

/// <summary>Serves the I/O of one vCPU: the machine's buses. Called on the vCPU's thread.</summary>
public interface IVcpuIo
{
    /// <summary>IN: 1, 2 or 4 bytes.</summary>
    void PortIn(ushort port, Span<byte> data);

    /// <summary>OUT: 1, 2 or 4 bytes.</summary>
    void PortOut(ushort port, ReadOnlySpan<byte> data);

    /// <summary>A load outside guest memory: 1 to 8 bytes, never across a page.</summary>
    void MmioRead(ulong gpa, Span<byte> data);

    /// <summary>A store outside guest memory (or to ROM): 1 to 8 bytes, never across a page.</summary>
    void MmioWrite(ulong gpa, ReadOnlySpan<byte> data);
}
