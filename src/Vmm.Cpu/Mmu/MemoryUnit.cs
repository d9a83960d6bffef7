using System.Runtime.CompilerServices;
using Vmm.Core.Memory;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Mmu;

/// <summary>
/// Loads and stores of one vCPU. The fast path is inline: one TLB entry, one comparison. Everything else (translation, page crossing,
/// MMIO, ROM, code pages, watchpoints) is here. A false result means that a fault was raised on the <see cref="Cpu"/>.
/// </summary>
internal sealed unsafe class MemoryUnit : IDisposable
{
    private const ulong PageMask = GuestAddress.PageSize - 1;

    private readonly Cpu _cpu;
    private readonly CpuState* _s;
    private readonly GuestMemory _memory;
    private readonly PageWalker _walker;
    private readonly CodePages _codePages;

    public MemoryUnit(Cpu cpu, GuestMemory memory, CodePages codePages, int physicalBits)
    {
        _cpu = cpu;
        _s = cpu.S;
        _memory = memory;
        _codePages = codePages;
        _walker = new PageWalker(cpu.S, memory, physicalBits);
    }

    public SoftTlb Tlb { get; } = new();

    /// <summary>True while DR7 watches data: those pages never enter the TLB.</summary>
    public bool Watching { get; set; }

    // ---- fast paths, for the interpreter's switch and the instruction families -------------------------------------------------

    /// <summary>Host address of <paramref name="size"/> readable bytes within one page, or null: take the slow way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Readable(CpuState* s, ulong linear, uint size)
    {
        TlbEntry* entry = s->Tlb + ((linear >> GuestAddress.PageShift) & SoftTlb.IndexMask);
        return (linear ^ entry->ReadTag) <= GuestAddress.PageSize - size ? (byte*)(linear + entry->Addend) : null;
    }

    /// <summary>Host address of <paramref name="size"/> writable bytes within one page, or null: take the slow way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Writable(CpuState* s, ulong linear, uint size)
    {
        TlbEntry* entry = s->Tlb + ((linear >> GuestAddress.PageShift) & SoftTlb.IndexMask);
        return (linear ^ entry->WriteTag) <= GuestAddress.PageSize - size ? (byte*)(linear + entry->Addend) : null;
    }

    // ---- values ----------------------------------------------------------------------------------------------------------------

    /// <summary>Loads 1, 2, 4 or 8 bytes with the rights of the running code.</summary>
    public bool TryRead(ulong linear, int size, out ulong value, bool stack = false)
    {
        byte* pointer = Readable(_s, linear, (uint)size);
        if (pointer == null) return TryReadSlow(linear, size, out value, stack);
        value = Get(pointer, size);
        return true;
    }

    /// <summary>Stores 1, 2, 4 or 8 bytes with the rights of the running code.</summary>
    public bool TryWrite(ulong linear, int size, ulong value, bool stack = false)
    {
        byte* pointer = Writable(_s, linear, (uint)size);
        if (pointer == null) return TryWriteSlow(linear, size, value, stack);
        Put(pointer, size, value);
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryReadSlow(ulong linear, int size, out ulong value, bool stack) => TryReadAs(CurrentWay, linear, size, out value, stack);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryWriteSlow(ulong linear, int size, ulong value, bool stack) => TryWriteAs(CurrentWay, linear, size, value, stack);

    /// <summary>Loads as the processor itself does (descriptor tables, TSS): supervisor rights whatever the CPL.</summary>
    public bool TryReadSystem(ulong linear, int size, out ulong value) => TryReadAs(SoftTlb.Supervisor, linear, size, out value, false);

    /// <summary>Stores as the processor itself does.</summary>
    public bool TryWriteSystem(ulong linear, int size, ulong value) => TryWriteAs(SoftTlb.Supervisor, linear, size, value, false);

    /// <summary>Loads with the rights of a chosen <see cref="SoftTlb"/> way.</summary>
    public bool TryReadAs(int way, ulong linear, int size, out ulong value, bool stack)
    {
        value = 0;
        ulong inPage = linear & PageMask;
        if (inPage + (uint)size > GuestAddress.PageSize)
        {
            // Both pages are translated first, so that a fault leaves nothing half done.
            int head = (int)(GuestAddress.PageSize - inPage);
            ulong second = NextPage(linear);
            if (!Translate(way, linear, Access.Read, size, stack, out byte* p0, out ulong g0)) return false;
            if (!Translate(way, second, Access.Read, size - head, stack, out byte* p1, out ulong g1)) return false;
            ulong low = LoadPart(p0, g0, head), high = LoadPart(p1, g1, size - head);
            value = low | (high << (head * 8));
            return true;
        }

        if (!Translate(way, linear, Access.Read, size, stack, out byte* pointer, out ulong physical)) return false;
        value = pointer != null ? Get(pointer, size) : MmioRead(physical, size);
        return true;
    }

    /// <summary>Stores with the rights of a chosen <see cref="SoftTlb"/> way.</summary>
    public bool TryWriteAs(int way, ulong linear, int size, ulong value, bool stack)
    {
        ulong inPage = linear & PageMask;
        if (inPage + (uint)size > GuestAddress.PageSize)
        {
            int head = (int)(GuestAddress.PageSize - inPage);
            ulong second = NextPage(linear);
            if (!Translate(way, linear, Access.Write, size, stack, out byte* p0, out ulong g0)) return false;
            if (!Translate(way, second, Access.Write, size - head, stack, out byte* p1, out ulong g1)) return false;
            StorePart(p0, g0, head, value);
            StorePart(p1, g1, size - head, value >> (head * 8));
            return true;
        }

        if (!Translate(way, linear, Access.Write, size, stack, out byte* pointer, out ulong physical)) return false;
        if (pointer == null)
        {
            MmioWrite(physical, size, value);
            return true;
        }

        Put(pointer, size, value);
        AfterStore(pointer, physical, size);
        return true;
    }

    // ---- byte runs ---------------------------------------------------------------------------------------------------------------

    /// <summary>Loads any number of bytes up to a page with the rights of the running code; all or nothing.</summary>
    public bool TryReadBytes(ulong linear, Span<byte> data, bool stack = false)
    {
        ulong inPage = linear & PageMask;
        int head = (int)Math.Min((uint)data.Length, GuestAddress.PageSize - inPage);
        if (!Translate(CurrentWay, linear, Access.Read, head, stack, out byte* p0, out ulong g0)) return false;
        byte* p1 = null;
        ulong g1 = 0;
        if (head < data.Length && !Translate(CurrentWay, NextPage(linear), Access.Read, data.Length - head, stack, out p1, out g1)) return false;
        LoadRun(p0, g0, data[..head]);
        if (head < data.Length) LoadRun(p1, g1, data[head..]);
        return true;
    }

    /// <summary>Stores any number of bytes up to a page with the rights of the running code; all or nothing.</summary>
    public bool TryWriteBytes(ulong linear, ReadOnlySpan<byte> data, bool stack = false)
    {
        ulong inPage = linear & PageMask;
        int head = (int)Math.Min((uint)data.Length, GuestAddress.PageSize - inPage);
        if (!Translate(CurrentWay, linear, Access.Write, head, stack, out byte* p0, out ulong g0)) return false;
        byte* p1 = null;
        ulong g1 = 0;
        if (head < data.Length && !Translate(CurrentWay, NextPage(linear), Access.Write, data.Length - head, stack, out p1, out g1)) return false;
        StoreRun(p0, g0, data[..head]);
        if (head < data.Length) StoreRun(p1, g1, data[head..]);
        return true;
    }

    /// <summary>Checks that bytes could be written, without writing (before an instruction commits anything).</summary>
    public bool TryProbeWrite(ulong linear, int size, bool stack = false)
    {
        if (Writable(_s, linear, (uint)size) != null) return true;
        if (!Translate(CurrentWay, linear, Access.Write, size, stack, out _, out _)) return false;
        ulong inPage = linear & PageMask;
        int head = (int)(GuestAddress.PageSize - inPage);
        return head >= size || Translate(CurrentWay, NextPage(linear), Access.Write, size - head, stack, out _, out _);
    }

    /// <summary>
    /// Opens bytes of one page for reading and writing (atomic instructions): the host address, or null when they cross a page, are not
    /// RAM, or must be watched; then <paramref name="ok"/> tells a fault from "do it the slow way". Call <see cref="AfterStore(byte*, ulong, int)"/> through
    /// <see cref="StoreDone"/> when the store was made.
    /// </summary>
    public byte* OpenForUpdate(ulong linear, int size, out bool ok)
    {
        ok = true;
        byte* fast = Writable(_s, linear, (uint)size);
        if (fast != null) return fast;
        if ((linear & PageMask) + (uint)size > GuestAddress.PageSize)
        {
            ok = TryProbeWrite(linear, size);
            return null;
        }

        ok = Translate(CurrentWay, linear, Access.Write, size, false, out byte* pointer, out ulong physical);
        _openPhysical = physical;
        _openIsSlow = pointer != null && Writable(_s, linear, (uint)size) == null;
        return ok ? pointer : null;
    }

    /// <summary>The update that <see cref="OpenForUpdate"/> opened was stored.</summary>
    public void StoreDone(byte* pointer, int size)
    {
        if (!_openIsSlow) return;
        _openIsSlow = false;
        AfterStore(pointer, _openPhysical, size);
    }

    private ulong _openPhysical;
    private bool _openIsSlow;

    // ---- instruction fetch -------------------------------------------------------------------------------------------------------

    /// <summary>Translates an instruction address. Null with <paramref name="ok"/> true: the code is not in RAM.</summary>
    public byte* Fetch(ulong linear, out ulong physical, out bool ok)
    {
        int way = _s->Cpl == 3 ? SoftTlb.User : SoftTlb.Supervisor;
        TlbEntry* entry = Tlb.Way(way) + ((linear >> GuestAddress.PageShift) & SoftTlb.IndexMask);
        if ((linear ^ entry->FetchTag) <= PageMask)
        {
            byte* host = (byte*)(linear + entry->Addend);
            physical = PhysicalOf(host);
            ok = true;
            return host;
        }

        ok = Translate(way, linear, Access.Fetch, 1, false, out byte* pointer, out physical);
        return pointer;
    }

    // ---- translation ---------------------------------------------------------------------------------------------------------------

    private int CurrentWay => (int)((_s->Tlb - Tlb.Way(0)) / SoftTlb.Size);

    private bool Is64 => (_s->Mode & CpuMode.CodeSizeMask) == CpuMode.Code64;

    private ulong NextPage(ulong linear)
    {
        ulong next = (linear | PageMask) + 1;
        return Is64 ? next : next & uint.MaxValue;
    }

    private bool Translate(int way, ulong linear, Access access, int size, bool stack, out byte* pointer, out ulong physical)
    {
        CpuState* s = _s;
        if ((long)(linear << 16) >> 16 != (long)linear && (s->Efer & Efer.LMA) != 0)
        {
            pointer = null;
            physical = 0;
            return _cpu.RaiseNonCanonical(stack);
        }

        bool user = way == SoftTlb.User;
        bool smapClosed = way == SoftTlb.Supervisor && (s->Cr4 & Cr4.SMAP) != 0;
        if (!_walker.TryWalk(linear, access, user, smapClosed, out Translation found, out PageFault error))
        {
            pointer = null;
            physical = 0;
            return _cpu.RaisePageFault(linear, (uint)error);
        }

        physical = found.Physical;
        byte* page = _memory.PagePointer(physical, out byte* flags, out bool readOnly);
        pointer = page == null ? null : page + (physical & PageMask);
        bool watched = Watching && access != Access.Fetch && Watch(linear, size, access);
        if (page == null || (readOnly && access == Access.Write))
        {
            pointer = null;
            return true;
        }

        if (access == Access.Write && (*flags & (byte)PageFlags.Dirty) == 0) AtomicFlags.Set(ref *flags, (byte)PageFlags.Dirty);
        if (!watched) Fill(way, linear, page, flags, readOnly, access, found);
        return true;
    }

    private void Fill(int way, ulong linear, byte* page, byte* flags, bool readOnly, Access access, in Translation found)
    {
        int index = (int)(linear >> GuestAddress.PageShift) & SoftTlb.IndexMask;
        TlbEntry* entry = Tlb.Way(way) + index;
        ulong tag = linear & ~PageMask;
        ulong none = SoftTlb.NoTag(index);
        ulong addend = (ulong)page - tag;
        bool samePage = entry->Addend == addend && (entry->ReadTag == tag || entry->FetchTag == tag || entry->WriteTag == tag);
        if (!samePage) entry->ReadTag = entry->WriteTag = entry->FetchTag = none;
        entry->Addend = addend;
        if (access == Access.Fetch)
        {
            entry->FetchTag = tag;
        }
        else
        {
            entry->ReadTag = tag;
            // Stores to a page that holds decoded code must be seen, and the first store must mark the page dirty.
            bool open = found.Writable && !readOnly && (Volatile.Read(ref *flags) & (byte)(PageFlags.Code | PageFlags.Dirty)) == (byte)PageFlags.Dirty;
            entry->WriteTag = open ? tag : none;
        }

        Tlb.MarkGlobal(way, index, found.Global);
        if (found.Large) Tlb.NoteLarge(linear);
    }

    private ulong PhysicalOf(byte* host)
    {
        foreach (GuestMemoryRegion region in _memory.Regions)
        {
            ulong offset = (ulong)host - (ulong)region.HostAddress;
            if (offset < region.SizeBytes) return region.Start.Value + offset;
        }

        return ulong.MaxValue;
    }

    // ---- the slow places ---------------------------------------------------------------------------------------------------------------

    /// <summary>After a store that took the slow way: code that was decoded from these bytes is dropped.</summary>
    private void AfterStore(byte* pointer, ulong physical, int size)
    {
        _memory.PagePointer(physical, out byte* flags, out _);
        if ((Volatile.Read(ref *flags) & (byte)PageFlags.Code) == 0) return;
        _cpu.CodeStored(physical, size, flags);
        _codePages.Written(_cpu, physical, size);
    }

    private ulong LoadPart(byte* pointer, ulong physical, int size)
    {
        ulong value = 0;
        for (int i = 0; i < size; i++)
        {
            ulong one = pointer != null ? pointer[i] : MmioRead(physical + (uint)i, 1);
            value |= one << (i * 8);
        }

        return value;
    }

    private void StorePart(byte* pointer, ulong physical, int size, ulong value)
    {
        for (int i = 0; i < size; i++)
        {
            if (pointer != null) pointer[i] = (byte)(value >> (i * 8));
            else MmioWrite(physical + (uint)i, 1, (byte)(value >> (i * 8)));
        }

        if (pointer != null) AfterStore(pointer, physical, size);
    }

    private void LoadRun(byte* pointer, ulong physical, Span<byte> data)
    {
        if (pointer != null)
        {
            // SAFETY: Translate gave a pointer into a page, and the run ends within it.
            new ReadOnlySpan<byte>(pointer, data.Length).CopyTo(data);
            return;
        }

        for (int i = 0; i < data.Length;)
        {
            int part = PartSize(physical + (uint)i, data.Length - i);
            ulong value = MmioRead(physical + (uint)i, part);
            for (int b = 0; b < part; b++) data[i + b] = (byte)(value >> (b * 8));
            i += part;
        }
    }

    private void StoreRun(byte* pointer, ulong physical, ReadOnlySpan<byte> data)
    {
        if (pointer != null)
        {
            // SAFETY: as in LoadRun.
            data.CopyTo(new Span<byte>(pointer, data.Length));
            AfterStore(pointer, physical, data.Length);
            return;
        }

        for (int i = 0; i < data.Length;)
        {
            int part = PartSize(physical + (uint)i, data.Length - i);
            ulong value = 0;
            for (int b = 0; b < part; b++) value |= (ulong)data[i + b] << (b * 8);
            MmioWrite(physical + (uint)i, part, value);
            i += part;
        }
    }

    private static int PartSize(ulong physical, int left)
    {
        int size = 8;
        while (size > left || (physical & (uint)(size - 1)) != 0) size >>= 1;
        return size;
    }

    private ulong MmioRead(ulong physical, int size)
    {
        ulong value = 0;
        // SAFETY: the span covers the low bytes of the local.
        _cpu.Io.MmioRead(physical, new Span<byte>(&value, size));
        return value;
    }

    private void MmioWrite(ulong physical, int size, ulong value)
    {
        if (_cpu.TryRingDoorbell(physical, size, value)) return;
        // SAFETY: the span covers the low bytes of the parameter's copy.
        _cpu.Io.MmioWrite(physical, new ReadOnlySpan<byte>(&value, size));
    }

    /// <summary>Data breakpoints: notes a hit; true when the page must stay out of the TLB.</summary>
    private bool Watch(ulong linear, int size, Access access)
    {
        CpuState* s = _s;
        bool near = false;
        for (int i = 0; i < 4; i++)
        {
            if ((s->Dr7 >> (i * 2) & 3) == 0) continue;
            int kind = (int)(s->Dr7 >> (16 + (i * 4)) & 3);
            if (kind is 0 or 2) continue;
            int length = (int)(s->Dr7 >> (18 + (i * 4)) & 3) switch { 0 => 1, 1 => 2, 3 => 4, _ => 8 };
            ulong address = s->Dr[i] & ~(ulong)(length - 1);
            near |= (address & ~PageMask) == (linear & ~PageMask) || ((address + (uint)length - 1) & ~PageMask) == (linear & ~PageMask);
            bool hit = linear < address + (uint)length && address < linear + (uint)size && (kind == 3 || access == Access.Write);
            if (hit) _cpu.PostDebugTrap(1UL << i);
        }

        return near;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Get(byte* pointer, int size) => size switch
    {
        1 => *pointer,
        2 => *(ushort*)pointer,
        4 => *(uint*)pointer,
        _ => *(ulong*)pointer,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(byte* pointer, int size, ulong value)
    {
        switch (size)
        {
            case 1: *pointer = (byte)value; break;
            case 2: *(ushort*)pointer = (ushort)value; break;
            case 4: *(uint*)pointer = (uint)value; break;
            default: *(ulong*)pointer = value; break;
        }
    }

    public void Dispose() => Tlb.Dispose();
}
