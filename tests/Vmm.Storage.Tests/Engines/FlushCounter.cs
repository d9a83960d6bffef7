using Vmm.Core.Memory;

namespace Vmm.Storage.Tests.Engines;

/// <summary>An image that does nothing but count flushes, the first of which waits for a sign.</summary>
internal sealed class FlushCounter : DiskImageBase
{
    public ManualResetEventSlim Go { get; } = new();

    public int Flushes { get; private set; }

    public override ImageFormat Format => ImageFormat.Raw;

    public override string Name => "flushes";

    public override ulong SizeBytes => 4096;

    public override bool IsReadOnly => false;

    public override ulong AllocatedBytes => 0;

    public override BlockExtent Map(ulong offset, ulong count) => new(BlockExtentKind.Zero, count);

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
    }

    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
    }

    protected override void FlushCore()
    {
        Go.Wait();
        Flushes++;
    }

    protected override void DiscardCore(ulong offset, ulong count)
    {
    }

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap)
    {
    }

    protected override void ResizeCore(ulong sizeBytes)
    {
    }

    protected override void Dispose(bool disposing) => Go.Dispose();
}
