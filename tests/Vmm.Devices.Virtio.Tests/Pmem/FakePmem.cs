using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Tests.Pmem;

/// <summary>Persistent memory that counts its flushes.</summary>
internal sealed class FakePmem : IPmemBackend
{
    public ulong SizeBytes => 64UL << 20;

    public int Flushes { get; private set; }

    public BlockResult Outcome { get; set; }

    public BlockResult Flush()
    {
        Flushes++;
        return Outcome;
    }
}
