using System.Runtime.InteropServices;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Mmu;

/// <summary>
/// The translation look-aside buffers of one vCPU: direct-mapped, one for each way of access, because the rights are folded into the tags.
/// </summary>
internal sealed unsafe class SoftTlb : IDisposable
{
    /// <summary>Entries of one TLB.</summary>
    public const int Size = 1024;

    public const int IndexMask = Size - 1;

    /// <summary>User mode.</summary>
    public const int User = 0;

    /// <summary>Supervisor, user pages closed when CR4.SMAP is set.</summary>
    public const int Supervisor = 1;

    /// <summary>Supervisor with RFLAGS.AC set (user pages open).</summary>
    public const int SupervisorOpen = 2;

    private const int Ways = 3;

    private readonly ulong[] _global = new ulong[Ways * Size / 64];
    private TlbEntry* _entries;

    // The spans of linear addresses that large pages were seen in, lower and upper half: a single entry flush inside them flushes all.
    private ulong _lowFirst, _lowLast, _highFirst, _highLast;

    public SoftTlb()
    {
        _entries = (TlbEntry*)NativeMemory.AlignedAlloc((nuint)(Ways * Size * sizeof(TlbEntry)), 64);
        FlushAll();
    }

    /// <summary>The entries of one way.</summary>
    public TlbEntry* Way(int way) => _entries + (way * Size);

    /// <summary>A tag that no address of entry <paramref name="index"/> matches.</summary>
    public static ulong NoTag(int index) => (ulong)(index ^ 1) << 12;

    public void MarkGlobal(int way, int index, bool global)
    {
        ref ulong word = ref _global[((way * Size) + index) / 64];
        ulong bit = 1UL << (index % 64);
        word = global ? word | bit : word & ~bit;
    }

    public void FlushAll()
    {
        for (int i = 0; i < Ways * Size; i++) Clear(i);
        Array.Clear(_global);
        (_lowFirst, _lowLast, _highFirst, _highLast) = (ulong.MaxValue, 0, ulong.MaxValue, 0);
    }

    /// <summary>Remembers that a translation at this address came from a large page.</summary>
    public void NoteLarge(ulong linear)
    {
        const ulong Span = (4UL << 20) - 1;
        if ((long)linear >= 0) (_lowFirst, _lowLast) = (Math.Min(_lowFirst, linear & ~Span), Math.Max(_lowLast, linear | Span));
        else (_highFirst, _highLast) = (Math.Min(_highFirst, linear & ~Span), Math.Max(_highLast, linear | Span));
    }

    /// <summary>MOV CR3: everything but global pages.</summary>
    public void FlushNonGlobal()
    {
        for (int word = 0; word < _global.Length; word++)
        {
            ulong keep = _global[word];
            if (keep == ulong.MaxValue) continue;
            for (int bit = 0; bit < 64; bit++)
            {
                if ((keep >> bit & 1) == 0) Clear((word * 64) + bit);
            }
        }
    }

    /// <summary>INVLPG. A large page has many entries here, so that where one may stand everything goes.</summary>
    public void FlushPage(ulong linear)
    {
        if ((linear >= _lowFirst && linear <= _lowLast) || (linear >= _highFirst && linear <= _highLast))
        {
            FlushAll();
            return;
        }

        int index = (int)(linear >> 12) & IndexMask;
        for (int way = 0; way < Ways; way++) Clear((way * Size) + index);
    }

    /// <summary>Takes write access to one host page away, so that the next store is seen.</summary>
    public void DropWrites(byte* hostPage)
    {
        for (int i = 0; i < Ways * Size; i++)
        {
            TlbEntry* entry = _entries + i;
            if (entry->WriteTag + entry->Addend == (ulong)hostPage) entry->WriteTag = NoTag(i & IndexMask);
        }
    }

    /// <summary>Takes all write access away (the dirty log was collected).</summary>
    public void DropAllWrites()
    {
        for (int i = 0; i < Ways * Size; i++) _entries[i].WriteTag = NoTag(i & IndexMask);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_entries);
        _entries = null;
    }

    private void Clear(int i)
    {
        TlbEntry* entry = _entries + i;
        ulong none = NoTag(i & IndexMask);
        entry->ReadTag = none;
        entry->WriteTag = none;
        entry->FetchTag = none;
    }
}
