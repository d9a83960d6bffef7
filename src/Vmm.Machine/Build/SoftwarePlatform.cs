using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu;
using Vmm.Devices.Chipset;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Build;

/// <summary>The software CPU, with interrupt controllers and 8254 in user space.</summary>
internal sealed class SoftwarePlatform : ICpuPlatform
{
    private const ushort PicMasterPort = 0x20;
    private const ushort PicSlavePort = 0xa0;
    private const ushort PicElcrPort = 0x4d0;
    private const ulong PicPorts = 2;
    private const ushort PitPort = 0x40;
    private const ulong PitPorts = 4;
    private const ushort PortB = 0x61;
    private const int TimerIrq = 0;

    private readonly CpuidBuilder _cpuid;
    private readonly Func<int, CpuidTable>? _savedCpuid;

    /// <exception cref="HypervisorException">The CPU model asks for what the software CPU has not got.</exception>
    public SoftwarePlatform(MachineConfig config, SnapshotReader? saved)
    {
        _savedCpuid = saved is null ? null : saved.CpuidOf;
        _cpuid = BuildCpuid(config);
        if (_cpuid.Errors.Count != 0) throw new HypervisorException($"cpu: {string.Join("; ", _cpuid.Errors)}");
    }

    /// <inheritdoc/>
    public string Name => "software";

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => _cpuid.Warnings;

    /// <inheritdoc/>
    public ulong CountInstructions(IVcpu vcpu) => ((SoftwareVcpu)vcpu).InstructionCount;

    /// <inheritdoc/>
    public CpuidTable SupportedCpuid => SoftwareCpuid.Supported(null);

    /// <inheritdoc/>
    public CpuidTable CpuidOf(int vcpu) => _savedCpuid?.Invoke(vcpu) ?? _cpuid.Build(vcpu);

    /// <inheritdoc/>
    public ulong TscHz(IVcpu vcpu) => ((SoftwareVcpu)vcpu).TscFrequencyHz;

    /// <inheritdoc/>
    public bool TrySetTscHz(IVcpu vcpu, ulong hz) => ((SoftwareVcpu)vcpu).TrySetTscFrequency(hz);

    /// <summary>The guest's paravirtual clock shows machine time itself.</summary>
    public long ClockNs(SnapshotManifest saved) => (long)saved.ParavirtualClockNs;

    /// <inheritdoc/>
    public ulong ParavirtualClockNs(Board board) => (ulong)board.Clock.NowNs;

    /// <inheritdoc/>
    public void RestoreClock(Board board, ulong ns) { }

    /// <inheritdoc/>
    public IVirtualMachine CreateMachine(Board board)
    {
        InterruptFabric fabric = new(board.Clock);
        board.Ports.Attach(PicMasterPort, PicPorts, fabric.Pic, I8259Pic.MasterRegion, "8259 master");
        board.Ports.Attach(PicSlavePort, PicPorts, fabric.Pic, I8259Pic.SlaveRegion, "8259 slave");
        board.Ports.Attach(PicElcrPort, PicPorts, fabric.Pic, I8259Pic.ElcrRegion, "8259 ELCR");
        board.Mmio.Attach(IoApic.DefaultAddress, IoApic.SizeBytes, fabric.IoApic, name: "IOAPIC");
        board.Mmio.Attach(LocalApicPage.DefaultAddress, LocalApicPage.SizeBytes, fabric.ApicPage, name: "local APIC");
        I8254Pit pit = new(fabric.Line(TimerIrq), board.Clock);
        board.Ports.Attach(PitPort, PitPorts, pit, I8254Pit.TimerRegion, "8254");
        board.Ports.Attach(PortB, 1, pit, I8254Pit.PortBRegion, "system control port B");
        board.States.Add("interrupt-chips", new SoftwareChips(fabric, pit), static () => SnapshotJson.Default.InterruptChipsState, isLast: true);
        SoftwareHypervisor hypervisor = board.Own(new SoftwareHypervisor(new SoftwareHypervisorOptions
        {
            Interrupts = fabric,
            Clock = board.Clock,
            Cpuid = CpuidOf,
            SignalEventFd = EventFd.SignalDescriptor,
        }));
        return hypervisor.CreateMachine(board.Memory);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private static CpuidBuilder BuildCpuid(MachineConfig config)
        => CpuidBuilder.Software(config.Cpu is null ? null : CpuModel.Parse(config.Cpu), new CpuidOptions { VcpuCount = config.Vcpus });
}
