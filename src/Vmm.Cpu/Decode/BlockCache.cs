using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Decode;

/// <summary>
/// The decoded blocks of one vCPU: an arena of native memory with a hash table by physical address, a direct-mapped jump cache by linear
/// address in front of it, and for each page the list of its blocks with a map of the 64-byte granules that they cover.
/// When the arena is full everything is dropped: what is hot is decoded again within milliseconds. A guest that fills it too fast for that gets
/// more of it.
/// </summary>
internal sealed unsafe class BlockCache : IDisposable
{
    /// <summary>Native memory for blocks: at first, and at most.</summary>
    public const int FirstBytes = 4 << 20, MostBytes = 16 << 20;

    // Decoding takes about 0.7 instructions' time for a byte: a guest that runs fewer than this for each spends a seventh of its time on it.
    private const ulong WorthGrowing = 4;

    // Not for a burst of new code, such as a system that starts has.
    private const int QuickFillsToGrow = 3;

    private const int JumpEntries = 4096;
    private const int Buckets = 8192;
    private const int GranuleShift = 6;

    private readonly byte* _arena;
    private readonly Block** _buckets;
    private readonly JumpEntry* _jumps;
    private readonly Dictionary<ulong, PageBlocks> _pages = [];
    private int _limit = FirstBytes;
    private int _used;
    private ulong _droppedAt;
    private int _quickFills;

    public BlockCache()
    {
        // Its pages come as they are written.
        _arena = (byte*)NativeMemory.AlignedAlloc(MostBytes, 64);
        _buckets = (Block**)NativeMemory.AllocZeroed(Buckets, (nuint)sizeof(Block*));
        _jumps = (JumpEntry*)NativeMemory.AllocZeroed(JumpEntries, (nuint)sizeof(JumpEntry));
    }

    /// <summary>Changes whenever all blocks were dropped: pointers to blocks from before are void.</summary>
    public uint Generation { get; private set; }

    /// <summary>Bytes of the arena in use.</summary>
    public int UsedBytes => _used;

    /// <summary>Looks in the jump cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Block* FindJump(ulong linear, CpuMode mode)
    {
        JumpEntry* entry = _jumps + JumpIndex(linear);
        if (entry->Linear != linear || entry->Block == null || entry->Block->Mode != mode) return null;
        return Block.Ops(entry->Block)->Code == OpCode.Dropped ? null : entry->Block;
    }

    public void AddJump(ulong linear, Block* block)
    {
        JumpEntry* entry = _jumps + JumpIndex(linear);
        entry->Linear = linear;
        entry->Block = block;
    }

    /// <summary>Forgets the linear addresses (MOV CR3, INVLPG, …); the blocks stay.</summary>
    public void FlushJumps() => NativeMemory.Clear(_jumps, (nuint)(JumpEntries * sizeof(JumpEntry)));

    /// <summary>Looks for a block by physical address.</summary>
    public Block* Find(ulong physical, CpuMode mode)
    {
        for (Block* block = _buckets[Bucket(physical)]; block != null; block = block->HashNext)
        {
            if (block->Physical == physical && block->Mode == mode) return block;
        }

        return null;
    }

    /// <summary>Room for a block of up to <paramref name="maxOps"/> steps, at the end of the arena; null when it is full.</summary>
    public Block* Reserve(int maxOps)
    {
        int bytes = sizeof(Block) + (maxOps * sizeof(Op));
        return _used + bytes <= _limit ? (Block*)(_arena + _used) : null;
    }

    /// <summary>Makes room in a full arena: more of it where it fills too fast, else everything is to be dropped.</summary>
    /// <param name="instructions">Executed so far, in all.</param>
    /// <returns>False when <see cref="FlushAll"/> must make the room.</returns>
    public bool TryGrow(ulong instructions)
    {
        _quickFills = instructions - _droppedAt < (ulong)_limit * WorthGrowing ? _quickFills + 1 : 0;
        if (_quickFills >= QuickFillsToGrow && _limit < MostBytes)
        {
            _limit *= 2;
            return true;
        }

        _droppedAt = instructions;
        return false;
    }

    /// <summary>Takes the reserved block in, with the steps that it got.</summary>
    /// <returns>True when it is the first block of its page.</returns>
    public void Commit(Block* block, int ops)
    {
        _used += sizeof(Block) + (ops * sizeof(Op));
        int bucket = Bucket(block->Physical);
        block->HashNext = _buckets[bucket];
        _buckets[bucket] = block;
        ref PageBlocks page = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, block->Physical >> GuestAddress.PageShift, out _);
        block->PageNext = page.First;
        page.First = block;
        page.Granules |= Granules(block->Physical, block->ByteLength);
    }

    /// <summary>True when the page has blocks, or had some since it was claimed.</summary>
    public bool HasPage(ulong page) => _pages.ContainsKey(page);

    /// <summary>Notes that a page is claimed, before it has blocks.</summary>
    public void AddPage(ulong page) => CollectionsMarshal.GetValueRefOrAddDefault(_pages, page, out _);

    /// <summary>Drops the blocks that cover any of the bytes (at most one page).</summary>
    /// <returns>True when a block was dropped.</returns>
    public bool Invalidate(ulong physical, int bytes, out bool pageIsEmpty)
    {
        pageIsEmpty = false;
        ulong pageNumber = physical >> GuestAddress.PageShift;
        ref PageBlocks page = ref CollectionsMarshal.GetValueRefOrNullRef(_pages, pageNumber);
        if (Unsafe.IsNullRef(ref page)) return false;
        ulong written = Granules(physical, bytes);
        if ((page.Granules & written) == 0) return false;
        bool any = false;
        ulong granules = 0;
        Block* kept = null;
        for (Block* block = page.First; block != null;)
        {
            Block* next = block->PageNext;
            ulong covered = Granules(block->Physical, block->ByteLength);
            if ((covered & written) != 0)
            {
                Drop(block);
                any = true;
            }
            else
            {
                granules |= covered;
                block->PageNext = kept;
                kept = block;
            }

            block = next;
        }

        page.First = kept;
        page.Granules = granules;
        if (kept == null)
        {
            _pages.Remove(pageNumber);
            pageIsEmpty = true;
        }

        return any;
    }

    /// <summary>Drops everything; <paramref name="release"/> hears of each page.</summary>
    public void FlushAll(Action<ulong> release)
    {
        foreach (ulong page in _pages.Keys) release(page);
        _pages.Clear();
        NativeMemory.Clear(_buckets, (nuint)(Buckets * sizeof(Block*)));
        FlushJumps();
        _used = 0;
        Generation++;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_arena);
        NativeMemory.Free(_buckets);
        NativeMemory.Free(_jumps);
    }

    // A dropped block stays where it is until the next flush: whoever still points to it meets OpCode.Dropped.
    private void Drop(Block* block)
    {
        Block** link = &_buckets[Bucket(block->Physical)];
        while (*link != block) link = &(*link)->HashNext;
        *link = block->HashNext;
        Block.Ops(block)->Code = OpCode.Dropped;
    }

    private static ulong Granules(ulong physical, int bytes)
    {
        int offset = (int)(physical & (GuestAddress.PageSize - 1));
        int first = offset >> GranuleShift;
        int last = Math.Min((offset + Math.Max(bytes, 1) - 1) >> GranuleShift, 63);
        return (ulong.MaxValue << first) & (ulong.MaxValue >> (63 - last));
    }

    private static int JumpIndex(ulong linear) => (int)((linear ^ (linear >> 12)) & (JumpEntries - 1));

    private static int Bucket(ulong physical) => (int)((physical ^ (physical >> 13)) & (Buckets - 1));

    private struct JumpEntry
    {
        public ulong Linear;
        public Block* Block;
    }

    private struct PageBlocks
    {
        public Block* First;
        public ulong Granules;
    }
}
