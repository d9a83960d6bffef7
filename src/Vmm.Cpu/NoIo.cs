using Vmm.Core.Hypervisor;

namespace Vmm.Cpu;

/// <summary>Nobody answers: reads give all ones.</summary>
internal sealed class NoIo : IVcpuIo
{
    public static NoIo Instance { get; } = new();

    public void PortIn(ushort port, Span<byte> data) => data.Fill(0xff);

    public void PortOut(ushort port, ReadOnlySpan<byte> data) { }

    public void MmioRead(ulong gpa, Span<byte> data) => data.Fill(0xff);

    public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) { }
}
