using Vmm.Core.Hypervisor;
using Vmm.Core.Time;

namespace Vmm.TestKit;

/// <summary>The pins of a vCPU, counted. Its TSC follows the clock.</summary>
public sealed class FakeVcpuSignals(IClock clock) : IVcpuSignals
{
    private int _interrupts;

    public int Interrupts => _interrupts;

    public int Nmis { get; private set; }

    public int Inits { get; private set; }

    /// <summary>The vectors of start-up IPIs.</summary>
    public List<byte> Sipis { get; } = [];

    public ulong TscFrequencyHz { get; set; } = 2_000_000_000;

    public void InterruptPending() => Interlocked.Increment(ref _interrupts);

    public void Nmi() => Nmis++;

    public void Init() => Inits++;

    public void Sipi(byte vector) => Sipis.Add(vector);

    public ulong ReadTsc() => (ulong)((UInt128)(ulong)clock.NowNs * TscFrequencyHz / 1_000_000_000);
}
