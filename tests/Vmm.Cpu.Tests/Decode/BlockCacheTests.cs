using Vmm.Core.Memory;
using Vmm.Cpu.Decode;

namespace Vmm.Cpu.Tests.Decode;

public sealed unsafe class BlockCacheTests
{
    private const int Ops = 100;
    private const ulong Executed = 1000;

    [Fact]
    public void Full_WithMuchExecutedSinceTheDrop_IsDroppedAgain()
    {
        using BlockCache cache = Dropped();
        int blocks = Fill(cache, 0);

        Assert.False(cache.TryGrow(Executed + (1UL << 30)));
        Assert.InRange(blocks * (sizeof(Block) + (Ops * sizeof(Op))), BlockCache.FirstBytes * 9 / 10, BlockCache.FirstBytes);
    }

    [Fact]
    public void Full_AgainAndAgainSoonAfterTheDrop_GrowsToItsBoundAndKeepsItsBlocks()
    {
        using BlockCache cache = Dropped();
        int blocks = Fill(cache, 0);
        while (cache.TryGrow(Executed + 1000)) blocks += Fill(cache, blocks);

        Assert.InRange(cache.UsedBytes, BlockCache.MostBytes * 9 / 10, BlockCache.MostBytes);
        for (int i = 0; i < blocks; i++) Assert.True(cache.Find(AddressOf(i), default) != null);
    }

    // Filled twice, and fast: once more and it grows.
    private static BlockCache Dropped()
    {
        BlockCache cache = new();
        for (int i = 0; i < 2; i++)
        {
            Fill(cache, 0);
            Assert.False(cache.TryGrow(Executed));
            cache.FlushAll(_ => { });
        }

        return cache;
    }

    private static ulong AddressOf(int block) => (ulong)block * GuestAddress.PageSize;

    private static int Fill(BlockCache cache, int first)
    {
        int count = 0;
        for (Block* block = cache.Reserve(Ops); block != null; block = cache.Reserve(Ops))
        {
            *block = default;
            block->Physical = AddressOf(first + count++);
            block->ByteLength = 1;
            cache.Commit(block, Ops);
        }

        return count;
    }
}
