using Vmm.Core.Memory;
using Vmm.TestKit;

namespace Vmm.Core.Tests;

public sealed class GuestMemoryTests : IDisposable
{
    private readonly TestMemory _test = new((0, 0x2000), (0x2000, 0x1000), (0x100000, 0x1000));

    private GuestMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public void CopyIn_AcrossAdjacentRegions_ReadsBack()
    {
        Assert.True(Memory.TryWrite(new GuestAddress(0x1ffe), 0x11223344u));
        Assert.True(Memory.TryRead(new GuestAddress(0x1ffe), out uint value));
        Assert.Equal(0x11223344u, value);
    }

    [Theory]
    [InlineData(0x2fff, 2)]
    [InlineData(0x50000, 1)]
    [InlineData(0xfffff, 2)]
    [InlineData(0xffffffffffffffff, 2)]
    public void CopyIn_TouchesAHole_FalseAndNothingWritten(ulong at, int count)
    {
        byte[] ones = [.. Enumerable.Repeat((byte)0xff, count)];
        Assert.False(Memory.TryCopyIn(new GuestAddress(at), ones));
        Assert.True(Memory.TryRead(new GuestAddress(0x2fff), out byte last));
        Assert.Equal(0, last);
    }

    [Fact]
    public void CollectDirty_AfterWrites_ExactlyThosePagesThenNone()
    {
        Memory.TryWrite(new GuestAddress(0x1000), (byte)1);
        ulong[] bitmap = new ulong[1];
        Memory.CollectDirty(0, bitmap);
        Assert.Equal(2UL, bitmap[0]);
        Memory.CollectDirty(0, bitmap);
        Assert.Equal(0UL, bitmap[0]);
    }

    [Fact]
    public void Pin_AcrossRegions_OneVectorEach()
    {
        IoVec[] vectors = new IoVec[2];
        Assert.True(Memory.TryPin(new GuestAddress(0x1800), 0x1000, true, vectors, out int count));
        Assert.Equal(2, count);
        Assert.Equal(0x800u, vectors[1].SizeBytes);
        Assert.False(Memory.TryPin(new GuestAddress(0x1800), 0x1000, true, vectors.AsSpan(0, 1), out _));
    }

    [Fact]
    public void Constructor_Overlap_Throws()
        => Assert.Throws<ArgumentException>(() => new TestMemory((0, 0x2000), (0x1000, 0x1000)));
}
