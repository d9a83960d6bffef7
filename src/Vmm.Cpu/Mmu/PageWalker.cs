using Vmm.Core.Memory;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Mmu;

/// <summary>
/// Walks page tables: 32-bit with PSE, PAE and 4-level (Intel SDM vol. 3 ch. 4), sets accessed and dirty bits atomically and gives exact
/// error codes. PAE page-directory pointers are read from memory at each walk, as AMD processors do.
/// </summary>
internal sealed unsafe class PageWalker(CpuState* state, GuestMemory memory, int physicalBits)
{
    // Another vCPU that rewrites entries all the time keeps a walk from its end; the fault that comes then is a spurious one.
    private const int MaxAttempts = 1000;

    // Bits of PAE entries above the address, but for NX: reserved outside long mode.
    private const ulong PaeReserved = 0x7ff0_0000_0000_0000;

    private readonly CpuState* _s = state;
    private readonly ulong _reservedAddress = Pte.Address & ~((1UL << physicalBits) - 1);

    // An entry changed between the look and the setting of its bits: the walk starts again.
    private bool _stale;

    /// <summary>Translates one linear address.</summary>
    /// <param name="linear">Canonical linear address.</param>
    /// <param name="access">What for.</param>
    /// <param name="user">True for a user-mode access.</param>
    /// <param name="smapClosed">True when a supervisor data access to a user page is a fault.</param>
    /// <param name="found">The translation.</param>
    /// <param name="error">The #PF error code when the result is false.</param>
    public bool TryWalk(ulong linear, Access access, bool user, bool smapClosed, out Translation found, out PageFault error)
    {
        CpuState* s = _s;
        found = default;
        if ((s->Cr0 & Cr0.PG) == 0)
        {
            found = new Translation { Physical = linear & uint.MaxValue, Writable = true, Executable = true };
            error = PageFault.None;
            return true;
        }

        bool pae = (s->Cr4 & Cr4.PAE) != 0;
        int attempts = MaxAttempts;
        bool ok;
        do
        {
            _stale = false;
            ok = pae
                ? WalkLong(linear, access, user, smapClosed, (s->Efer & Efer.LMA) != 0, ref found, out error)
                : WalkLegacy((uint)linear, access, user, smapClosed, ref found, out error);
        }
        while (_stale && --attempts > 0);
        return ok;
    }

    private bool WalkLong(ulong linear, Access access, bool user, bool smapClosed, bool fourLevel, ref Translation found, out PageFault error)
    {
        CpuState* s = _s;
        bool nxe = (s->Efer & Efer.NXE) != 0;
        ulong rights = Pte.RW | Pte.US;
        bool noExecute = false;
        ulong reserved = _reservedAddress | (nxe ? 0 : Pte.NX) | (fourLevel ? 0 : PaeReserved);
        int level = fourLevel ? 4 : 3;
        ulong table = fourLevel ? s->Cr3 & Pte.Address : s->Cr3 & 0xffffffe0;
        while (true)
        {
            int shift = 12 + (9 * (level - 1));
            ulong index = (linear >> shift) & (level == 3 && !fourLevel ? 3UL : 0x1ffUL);
            ulong* entryPointer = EntryPointer(table + (index * 8));
            ulong entry = entryPointer == null ? 0 : Volatile.Read(ref *entryPointer);
            if ((entry & Pte.P) == 0) return Fail(PageFault.None, access, user, out error);
            bool pdpte = level == 3 && !fourLevel;
            bool large = !pdpte && level is 2 or 3 && (entry & Pte.PS) != 0 && (level == 2 || fourLevel);
            ulong bad = reserved;
            if (level == 4) bad |= Pte.PS;
            if (pdpte) bad |= 0x1e6 | Pte.NX;
            if (large) bad |= ((1UL << shift) - 1) & Pte.Address & ~(1UL << 12);
            if ((entry & bad) != 0) return Fail(PageFault.P | PageFault.RSVD, access, user, out error);
            if (!pdpte)
            {
                rights &= entry;
                noExecute |= (entry & Pte.NX) != 0;
            }

            if (level == 1 || large)
            {
                ulong mask = (1UL << shift) - 1;
                found.Physical = (entry & Pte.Address & ~mask) | (linear & mask);
                found.Global = (entry & Pte.G) != 0 && (s->Cr4 & Cr4.PGE) != 0;
                found.Large = large;
                return Finish(table + (index * 8), entryPointer, entry, 8, rights, nxe && noExecute, access, user, smapClosed, ref found, out error);
            }

            if (!pdpte && (entry & Pte.A) == 0 && !SetBits(table + (index * 8), entryPointer, entry, Pte.A, 8)) return Fail(PageFault.None, access, user, out error);
            table = entry & Pte.Address;
            level--;
        }
    }

    private bool WalkLegacy(uint linear, Access access, bool user, bool smapClosed, ref Translation found, out PageFault error)
    {
        CpuState* s = _s;
        ulong directory = (s->Cr3 & 0xfffff000) + ((linear >> 22) * 4);
        uint* pdePointer = (uint*)EntryPointer(directory);
        uint pde = pdePointer == null ? 0 : Volatile.Read(ref *pdePointer);
        if ((pde & Pte.P) == 0) return Fail(PageFault.None, access, user, out error);
        bool global = (s->Cr4 & Cr4.PGE) != 0;
        if ((pde & Pte.PS) != 0 && (s->Cr4 & Cr4.PSE) != 0)
        {
            // PSE-36: bits 13 to 20 are address bits 32 to 39; bit 21 is reserved.
            if ((pde & (1u << 21)) != 0) return Fail(PageFault.P | PageFault.RSVD, access, user, out error);
            found.Physical = (pde & 0xffc00000) | ((ulong)((pde >> 13) & 0xff) << 32) | (linear & 0x3fffff);
            found.Global = global && (pde & Pte.G) != 0;
            found.Large = true;
            return Finish(directory, (ulong*)pdePointer, pde, 4, pde, false, access, user, smapClosed, ref found, out error);
        }

        ulong table = (pde & 0xfffff000) + (((linear >> 12) & 0x3ff) * 4);
        uint* ptePointer = (uint*)EntryPointer(table);
        uint pte = ptePointer == null ? 0 : Volatile.Read(ref *ptePointer);
        if ((pte & Pte.P) == 0) return Fail(PageFault.None, access, user, out error);
        if ((pde & Pte.A) == 0 && !SetBits(directory, (ulong*)pdePointer, pde, Pte.A, 4)) return Fail(PageFault.None, access, user, out error);
        found.Physical = (pte & 0xfffff000) | (linear & 0xfff);
        found.Global = global && (pte & Pte.G) != 0;
        return Finish(table, (ulong*)ptePointer, pte, 4, pde & pte, false, access, user, smapClosed, ref found, out error);
    }

    private bool Finish(
        ulong physical, ulong* pointer, ulong entry, int entryBytes, ulong rights, bool noExecute, Access access, bool user, bool smapClosed, ref Translation found, out PageFault error)
    {
        CpuState* s = _s;
        bool userPage = (rights & Pte.US) != 0;
        bool writable = (rights & Pte.RW) != 0 || (!user && (s->Cr0 & Cr0.WP) == 0);
        bool executable = !noExecute && !(userPage && !user && (s->Cr4 & Cr4.SMEP) != 0);
        bool allowed = user ? userPage : !(userPage && smapClosed && access != Access.Fetch);
        if (access == Access.Write) allowed &= writable;
        if (access == Access.Fetch) allowed &= executable;
        if (!allowed) return Fail(PageFault.P, access, user, out error);
        ulong wanted = Pte.A | (access == Access.Write ? Pte.D : 0);
        if ((entry & wanted) != wanted && !SetBits(physical, pointer, entry, wanted, entryBytes)) return Fail(PageFault.None, access, user, out error);
        found.Writable = writable && ((entry | wanted) & Pte.D) != 0;
        found.Executable = executable && (!user || userPage);
        error = PageFault.None;
        return true;
    }

    private bool Fail(PageFault reason, Access access, bool user, out PageFault error)
    {
        error = reason;
        if (access == Access.Write) error |= PageFault.WR;
        if (user) error |= PageFault.US;
        bool reportsFetch = (_s->Cr4 & Cr4.SMEP) != 0 || ((_s->Efer & Efer.NXE) != 0 && (_s->Cr4 & Cr4.PAE) != 0);
        if (access == Access.Fetch && reportsFetch) error |= PageFault.ID;
        return false;
    }

    private ulong* EntryPointer(ulong physical)
    {
        byte* page = memory.PagePointer(physical, out _, out _);
        // SAFETY: the entry is naturally aligned, so all of it lies in the page whose pointer was just checked.
        return page == null ? null : (ulong*)(page + (physical & (GuestAddress.PageSize - 1)));
    }

    // Another vCPU may change the entry at the same time; what it writes wins: the bits are set only while the entry is the one that was judged.
    private bool SetBits(ulong physical, ulong* pointer, ulong seen, ulong bits, int entryBytes)
    {
        memory.PagePointer(physical, out byte* flags, out bool readOnly);
        // Tables in ROM keep what they hold.
        if (readOnly) return true;
        bool done = entryBytes == 8
            ? Interlocked.CompareExchange(ref *pointer, seen | bits, seen) == seen
            : Interlocked.CompareExchange(ref *(uint*)pointer, (uint)(seen | bits), (uint)seen) == (uint)seen;
        _stale = !done;
        if (done && (Volatile.Read(ref *flags) & (byte)(PageFlags.Dirty | PageFlags.Code)) != (byte)PageFlags.Dirty)
            memory.MarkWritten(new GuestAddress(physical), (ulong)entryBytes);
        return done;
    }
}
