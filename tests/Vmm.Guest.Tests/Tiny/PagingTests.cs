using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Cpu;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Page tables of every kind: rights and error codes, accessed and dirty bits, what the TLB may keep.</summary>
public sealed class PagingTests
{
    private const ulong P = TinyGuest.P, RW = TinyGuest.RW, US = TinyGuest.US, NX = TinyGuest.NX, A = TinyGuest.A, D = TinyGuest.D, G = TinyGuest.G;
    private const ulong WP = 1 << 16, PGE = 1 << 7, SMEP = 1 << 20, SMAP = 1 << 21, AC = 1 << 18;
    private const ulong Page = 0x5_0000_0000; // linear, nowhere else mapped
    private const ulong Frame = 0x180000;
    private const int NoFault = -1;

    /// <summary>What a page fault says of an access, for four-level paging.</summary>
    [Theory]
    [MemberData(nameof(Rights), Accelerators.Software)]
    public void Access_ToAPage_GivesTheErrorCodeOfTheArchitecture(string accelerator, string access, int cpl, string page, string mode, int error)
        => CheckRights(accelerator, access, cpl, page, mode, error);

    [KvmTheory]
    [MemberData(nameof(Rights), Accelerators.Kvm)]
    public void Access_ToAPageUnderKvm_GivesTheErrorCodeOfTheArchitecture(string accelerator, string access, int cpl, string page, string mode, int error)
        => CheckRights(accelerator, access, cpl, page, mode, error);

    private static void CheckRights(string accelerator, string access, int cpl, string page, string mode, int error)
    {
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages(mode is "smep" or "smap" or "smap ac" ? P | RW | (cpl == 3 ? US : 0) : P | RW | US);
        ulong entry = page switch
        {
            "absent" => 0,
            "rw user" => Frame | P | RW | US,
            "ro user" => Frame | P | US,
            "rw super" => Frame | P | RW,
            "ro super" => Frame | P,
            "nx user" => Frame | P | RW | US | NX,
            _ => Frame | P | RW | US | (1UL << 51), // beyond the physical address width
        };
        guest.Map(root, Page, entry);
        guest.RecordFaults64();
        guest.Assemble(64, Frame, c => c.jmp(r15));
        Label faulting = default, next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            faulting = c.CreateLabel();
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            c.mov(rbx, Page);
            c.Label(ref faulting);
            if (access == "read") c.mov(al, __[rbx]);
            else if (access == "write") c.mov(__byte_ptr[rbx + 0x10], al);
            else c.jmp(rbx);
            c.Label(ref next);
            c.nop();
        });
        VcpuState state = TinyGuest.LongMode(cpl, root);
        if (mode == "no wp") state.Cr0 &= ~WP;
        if (mode == "smep") state.Cr4 |= SMEP;
        if (mode is "smap" or "smap ac") state.Cr4 |= SMAP;
        if (mode == "smap ac") state.Rflags |= AC;
        if (mode == "no nx") state.Efer &= ~0x800ul;
        guest.RunToDone(state);
        if (error == NoFault)
        {
            Assert.Empty(guest.Faults);
            ulong leaf = guest.Get(guest.Map(root, Page, entry | A | (access == "write" ? D : 0)));
            Assert.Equal(entry | A | (access == "write" ? D : 0), leaf);
            return;
        }

        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal((14ul, (ulong)error), (fault.Vector, fault.Error));
        Assert.Equal(Page + (access == "write" ? 0x10u : 0u), fault.Cr2);
        Assert.Equal(access == "fetch" ? Page : code.GetLabelRIP(faulting), fault.Rip);
    }

    public static IEnumerable<object[]> Rights(string accelerator)
    {
        const int WR = 2, U = 4, RSVD = 8, ID = 16;
        (string Access, int Cpl, string Page, string Mode, int Error, bool Kvm)[] rows =
        [
            ("read", 0, "absent", "", 0, true), ("write", 0, "absent", "", WR, true), ("fetch", 0, "absent", "", ID, true),
            ("read", 3, "absent", "", U, true), ("write", 3, "absent", "", U | WR, true), ("fetch", 3, "absent", "", U | ID, true),
            ("read", 3, "rw user", "", NoFault, true), ("write", 3, "rw user", "", NoFault, true), ("fetch", 3, "rw user", "", NoFault, true),
            ("read", 3, "ro user", "", NoFault, true), ("write", 3, "ro user", "", U | WR | 1, true), ("write", 0, "ro user", "", WR | 1, true),
            ("write", 0, "ro user", "no wp", NoFault, false), ("write", 3, "ro user", "no wp", U | WR | 1, false),
            ("read", 3, "rw super", "", U | 1, true), ("write", 3, "rw super", "", U | WR | 1, true), ("fetch", 3, "rw super", "", U | ID | 1, true),
            ("read", 0, "ro super", "", NoFault, true), ("write", 0, "ro super", "", WR | 1, true), ("write", 0, "ro super", "no wp", NoFault, false),
            ("fetch", 3, "nx user", "", U | ID | 1, true), ("fetch", 0, "nx user", "", ID | 1, true), ("read", 3, "nx user", "", NoFault, true),
            ("read", 0, "nx user", "no nx", RSVD | 1, false), ("fetch", 0, "absent", "no nx", 0, false),
            ("read", 3, "reserved", "", U | RSVD | 1, false), ("write", 0, "reserved", "", RSVD | WR | 1, false),
            ("fetch", 0, "rw user", "smep", ID | 1, true), ("read", 0, "rw user", "smep", NoFault, true), ("fetch", 3, "rw user", "smep", NoFault, true),
            ("read", 0, "rw user", "smap", 1, true), ("write", 0, "rw user", "smap", WR | 1, true), ("read", 0, "rw user", "smap ac", NoFault, true),
            ("fetch", 0, "rw user", "smap", NoFault, false),
        ];
        foreach ((string access, int cpl, string page, string mode, int error, bool kvm) in rows)
        {
            // KVM's rows are those that a paravirtual KVM can run too.
            if (kvm || accelerator == Accelerators.Software) yield return [accelerator, access, cpl, page, mode, error];
        }
    }

    /// <summary>32-bit code: two-level tables with and without 4 MiB pages, and PAE.</summary>
    [Theory]
    [OnSoftware("legacy", "read", NoFault)]
    [OnSoftware("legacy", "absent", 0)]
    [OnSoftware("legacy", "write ro", 3)]
    [OnSoftware("pse", "read", NoFault)]
    [OnSoftware("pse", "absent", 0)]
    [OnSoftware("pse", "write ro", 3)]
    [OnSoftware("pae", "read", NoFault)]
    [OnSoftware("pae", "absent", 0)]
    [OnSoftware("pae", "write ro", 3)]
    [OnSoftware("pae", "fetch nx", 17)]
    [OnSoftware("pae", "reserved", 9)]
    [OnKvm("legacy", "read", NoFault, Native = true)]
    [OnKvm("pse", "write ro", 3, Native = true)]
    [OnKvm("pae", "absent", 0, Native = true)]
    public void Access_OfPaged32BitCode_TranslatesOrFaults(string accelerator, string kind, string access, int error)
    {
        const uint Linear = 0x00c03000;
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults32();
        guest.Put(Frame + 0x10, 0x1234);
        ulong root = Tables32(guest, kind, Linear, access);
        guest.Program(32, c =>
        {
            c.mov(esi, (uint)TinyGuest.After);
            c.mov(ebx, Linear);
            c.mov(edx, 0x77);
            if (access == "fetch nx") c.jmp(ebx);
            else if (access == "write ro") c.mov(__[ebx + 0x10], edx);
            else c.mov(edx, __[ebx + 0x10]);
        });
        VcpuState state = TinyGuest.Protected32(cr3: root, cr4: kind switch { "pse" => 0x10, "pae" => 0x20, _ => 0 });
        if (kind == "pae") state.Efer = 0x800;
        guest.RunToDone(state);
        if (error == NoFault)
        {
            Assert.Empty(guest.Faults);
            Assert.Equal(0x1234ul, guest.Capture().Gpr[2]);
            return;
        }

        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal((14u, (uint)error), ((uint)fault.Vector, (uint)fault.Error));
        Assert.Equal(access == "fetch nx" ? Linear : Linear + 0x10u, (uint)fault.Cr2);
    }

    private static ulong Tables32(TinyGuest guest, string kind, uint linear, string access)
    {
        ulong rights = P | (access == "write ro" ? 0 : RW);
        bool absent = access == "absent";
        ulong root = guest.NewTable();
        if (kind == "pae")
        {
            ulong directory = guest.NewTable(), table = guest.NewTable();
            guest.Put(root, directory | P);
            guest.Put(directory, P | RW | TinyGuest.PS);
            guest.Put(directory + ((linear >> 21) * 8), table | P | RW);
            guest.Put(table + ((linear >> 12 & 511) * 8), absent ? 0 : Frame | rights | (access == "fetch nx" ? NX : 0) | (access == "reserved" ? 1UL << 55 : 0));
            return root;
        }

        void Put32(ulong at, ulong value) => Assert.True(guest.Memory.TryWrite(new GuestAddress(at), (uint)value));
        ulong low = guest.NewTable();
        for (uint i = 0; i < 1024; i++) Put32(low + (i * 4), (i << 12) | P | RW);
        Put32(root, low | P | RW);
        ulong slot = root + ((linear >> 22) * 4);
        if (kind == "pse")
        {
            // The 4 MiB page lies so that the linear address meets the frame's content.
            guest.Put((linear & 0x3fffff) + 0x10, 0x1234);
            Put32(slot, absent ? 0 : 0 | rights | TinyGuest.PS);
            return root;
        }

        ulong pages = guest.NewTable();
        Put32(slot, pages | P | RW);
        Put32(pages + ((linear >> 12 & 1023) * 4), absent ? 0 : Frame | rights);
        return root;
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Invlpg_AfterAChange_ShowsTheNewPage(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages(), slot = guest.Map(root, Page, Frame | P | RW | US);
        guest.Map(root, TableWindow, (slot & ~0xffful) | P | RW);
        guest.Put(Frame, 1);
        guest.Put(Frame + 0x1000, 2);
        guest.Program(64, c =>
        {
            c.mov(rbx, Page);
            c.mov(rcx, TableWindow + (slot & 0xfff));
            c.mov(r8, __[rbx]);
            c.mov(rax, (Frame + 0x1000) | P | RW | US);
            c.mov(__[rcx], rax);
            c.invlpg(__[rbx]);
            c.mov(r9, __[rbx]);
            c.mov(rax, Frame | P | RW | US);
            c.mov(__[rcx], rax);
            c.mov(rax, cr3);
            c.mov(cr3, rax);
            c.mov(r10, __[rbx]);
        });
        guest.RunToDone(TinyGuest.LongMode(0, root));
        VcpuState state = guest.Capture();
        Assert.Equal((1ul, 2ul, 1ul), (state.Gpr[8], state.Gpr[9], state.Gpr[10]));
    }

    [Theory]
    [OnSoftware(true, 1ul)]
    [OnSoftware(false, 2ul)]
    public void GlobalPage_OutlivesCr3_UntilPgeChanges(string accelerator, bool global, ulong afterCr3)
    {
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages(), slot = guest.Map(root, Page, Frame | P | RW | (global ? G : 0));
        guest.Map(root, TableWindow, (slot & ~0xffful) | P | RW);
        guest.Put(Frame, 1);
        guest.Put(Frame + 0x1000, 2);
        guest.Program(64, c =>
        {
            c.mov(rbx, Page);
            c.mov(rcx, TableWindow + (slot & 0xfff));
            c.mov(r8, __[rbx]);
            c.mov(rax, (Frame + 0x1000) | P | RW);
            c.mov(__[rcx], rax);
            c.mov(rax, cr3);
            c.mov(cr3, rax);
            c.mov(r9, __[rbx]);
            c.mov(rax, cr4);
            c.xor(rax, (int)PGE);
            c.mov(cr4, rax);
            c.mov(r10, __[rbx]);
        });
        VcpuState start = TinyGuest.LongMode(0, root);
        start.Cr4 |= PGE;
        guest.RunToDone(start);
        VcpuState state = guest.Capture();
        Assert.Equal((1ul, afterCr3, 2ul), (state.Gpr[8], state.Gpr[9], state.Gpr[10]));
    }

    private const ulong TableWindow = Page + 0x100000;

    /// <summary>A store across two pages of which the second is missing leaves the first alone, and works once the page is there.</summary>
    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void StoreAcrossPages_SecondMissing_ChangesNothingThenAll(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        ulong root = guest.NewSmallPages();
        guest.Map(root, Page, Frame | P | RW | US);
        ulong slot = guest.Map(root, Page + 0x1000, 0);
        guest.Map(root, TableWindow, (slot & ~0xffful) | P | RW);
        guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.mov(r8, __[rsp]);
            c.mov(r9, cr2);
            c.mov(r10, Page + 0xff8);
            c.mov(r10, __[r10]); // still as it was
            c.mov(r11, TableWindow + (slot & 0xfff));
            c.mov(rcx, (Frame + 0x3000) | P | RW | US);
            c.mov(__[r11], rcx);
            c.add(rsp, 8);
            c.iretq();
        });
        guest.Gate64(14, TinyGuest.Stubs);
        guest.Program(64, c =>
        {
            c.mov(rbx, Page + 0xffd);
            c.mov(rax, 0x1122334455667788);
            c.mov(__[rbx], rax);
            c.mov(rdx, __[rbx]);
        });
        guest.RunToDone(TinyGuest.LongMode(0, root));
        VcpuState state = guest.Capture();
        Assert.Equal((2ul, Page + 0x1000, 0ul, 0x1122334455667788ul), (state.Gpr[8], state.Gpr[9], state.Gpr[10], state.Gpr[2]));
        Assert.Equal(0x1122334455ul, guest.Get(Frame + 0x3000));
        Assert.Equal(0x6677880000000000ul, guest.Get(Frame + 0xff8));
    }

    /// <summary>Exactly the pages that the guest wrote, the tables whose bits the CPU set, and no others, each round.</summary>
    [Fact]
    public void DirtyLog_OfTheSoftwareCpu_IsExact()
    {
        using TinyGuest guest = new(Accelerators.Software);
        ulong root = guest.NewSmallPages();
        ulong slot = guest.Map(root, Page, Frame | P | RW);
        guest.Program(64, c =>
        {
            Label again = c.CreateLabel(), next = c.CreateLabel();
            c.nop();
            c.Label(ref again);
            c.mov(ebx, (int)TinyGuest.Data);
            c.mov(ecx, 20);
            c.Label(ref next);
            c.inc(__qword_ptr[rbx]);
            c.add(ebx, 0x2000);
            c.dec(ecx);
            c.jne(next);
            c.mov(rbx, Page);
            c.mov(__[rbx + 8], rcx);
            c.@out(unchecked((sbyte)TinyIo.DonePort), al);
            c.jmp(again);
        });
        ulong[] bitmap = new ulong[TinyGuest.RamBytes / 4096 / 64];
        ulong[] written = [.. Enumerable.Range(0, 20).Select(i => (TinyGuest.Data + ((ulong)i * 0x2000)) >> 12), Frame >> 12];
        guest.Vcpu.Apply(TinyGuest.LongMode(0, root));
        for (int round = 0; round < 4; round++)
        {
            guest.Memory.CollectDirty(0, bitmap);
            ((SoftwareMachine)guest.Machine).DirtyLogCollected();
            Assert.Equal(VcpuExit.Interrupted, guest.Run());
            guest.Memory.CollectDirty(0, bitmap);
            HashSet<ulong> dirty = [.. Enumerable.Range(0, bitmap.Length * 64).Where(i => (bitmap[i / 64] >> (i % 64) & 1) != 0).Select(i => (ulong)i)];
            ((SoftwareMachine)guest.Machine).DirtyLogCollected();
            Assert.Empty(written.Except(dirty));
            if (round == 0) Assert.Contains(slot >> 12, dirty);
            else Assert.Equal(written.Order(), dirty.Order());
        }
    }
}
