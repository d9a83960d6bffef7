using Iced.Intel;
using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Cpu;
using Vmm.Devices.Chipset;
using Vmm.Host;
using Vmm.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>
/// A machine of 8 MiB with one or two vCPUs on either CPU, and code that the test assembles. Tables for every mode are laid out, exception handlers
/// that write down what they see are in place, and every run is bounded in time.
/// </summary>
internal sealed class TinyGuest : IDisposable
{
    public const ulong RamBytes = 8 << 20;
    public const ulong Idt = 0x1000;
    public const ulong Gdt = 0x2000;
    public const ulong Tss = 0x4000;
    public const uint TssLimit = 0x2068;
    public const ulong ApTrampoline = 0x8000;
    public const ulong Code = 0x10000;

    /// <summary>Code of 32-bit guests that ends the run: where their handlers send them.</summary>
    public const ulong After = 0x17000;

    /// <summary>Sixteen bytes for each vector.</summary>
    public const ulong Stubs = 0x18000;

    /// <summary>Top of the supervisor stack.</summary>
    public const ulong Stack = 0x28000;

    /// <summary>Top of the stack of IST 1.</summary>
    public const ulong IstStack = 0x30000;

    /// <summary>Top of the user stack.</summary>
    public const ulong UserStack = 0x38000;

    /// <summary>For the test's own data.</summary>
    public const ulong Data = 0x100000;

    /// <summary>A hole of the address space: MMIO.</summary>
    public const ulong Mmio = 0xd0000000;

    public const ulong ApicBase = 0xfee00000;
    public const ulong IoApicBase = 0xfec00000;

    public const ushort KernelCode = 0x08, KernelData = 0x10, UserData = 0x18 | 3, UserCode = 0x20 | 3, KernelCode32 = 0x28, KernelCode16 = 0x30, UserCode32 = 0x38 | 3,
        TssSelector = 0x40, KernelData16 = 0x50, FreeSelector = 0x58;

    public const ulong P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100, NX = 1UL << 63;

    private const ulong Pml4 = 0x40000;
    private const ulong Pdpt = 0x41000;
    private const ulong Pds = 0x42000; // four of them
    private const ulong FreeTables = 0x200000;
    private const ulong FaultCount = 0xf0000;
    private const ulong FaultRecords = 0xf1000;
    private const int FaultBytes = 64;
    private const int MaxFaults = 60;

    private readonly MappedMemory _ram;
    private readonly EpollLoop? _loop;
    private readonly HostClock? _clock;
    private readonly IHypervisor _hypervisor;
    private ulong _nextTable = FreeTables;
    private int _expired;

    public TinyGuest(string accelerator, int vcpus = 1, ulong ramBytes = RamBytes, IInstructionEmulator? emulator = null)
    {
        Accelerator = accelerator;
        _ram = new MappedMemory(ramBytes);
        Memory = new GuestMemory(_ram.RamRegions());
        if (accelerator == Accelerators.Kvm)
        {
            _hypervisor = new KvmHypervisor(new KvmOptions { VcpuCount = vcpus, Emulator = emulator });
        }
        else
        {
            _loop = new EpollLoop("tiny guest", static _ => { });
            _clock = new HostClock(_loop, static _ => { });
            Fabric = new InterruptFabric(_clock);
            Ports.Attach(0x20, 2, Fabric.Pic, I8259Pic.MasterRegion, "8259 master");
            Ports.Attach(0xa0, 2, Fabric.Pic, I8259Pic.SlaveRegion, "8259 slave");
            Bus.Attach(IoApic.DefaultAddress, IoApic.SizeBytes, Fabric.IoApic, name: "IOAPIC");
            Bus.Attach(LocalApicPage.DefaultAddress, LocalApicPage.SizeBytes, Fabric.ApicPage, name: "local APIC");
            CpuidBuilder cpuid = CpuidBuilder.Software(null, new CpuidOptions { VcpuCount = vcpus });
            _hypervisor = new SoftwareHypervisor(new SoftwareHypervisorOptions
            {
                Interrupts = Fabric,
                Clock = _clock,
                Cpuid = cpuid.Build,
                SignalEventFd = EventFd.SignalDescriptor,
            });
        }

        Machine = _hypervisor.CreateMachine(Memory);
        Vcpus = [.. Enumerable.Range(0, vcpus).Select(Machine.CreateVcpu)];
        Ios = [.. Vcpus.Select(v => new TinyIo(Ports, Bus, v.Index) { Done = v.Kick })];
        WriteTables();
    }

    public string Accelerator { get; }

    public GuestMemory Memory { get; }

    public IVirtualMachine Machine { get; }

    /// <summary>The interrupt controllers of the software CPU.</summary>
    public InterruptFabric? Fabric { get; }

    public IVcpu[] Vcpus { get; }

    public IVcpu Vcpu => Vcpus[0];

    public TinyIo[] Ios { get; }

    public TinyIo Io => Ios[0];

    public AddressBus Ports { get; } = AddressBus.Ports();

    public AddressBus Bus { get; } = AddressBus.Mmio();

    // ---- code --------------------------------------------------------------------------------------------------------------------

    /// <summary>Assembles code for an address and puts it there; the result knows the addresses of its labels.</summary>
    public AssemblerResult Assemble(int bits, ulong at, Action<Assembler> write, ulong? place = null)
    {
        Assembler assembler = new(bits);
        write(assembler);
        using MemoryStream bytes = new();
        AssemblerResult result = assembler.Assemble(new StreamCodeWriter(bytes), at, BlockEncoderOptions.ReturnNewInstructionOffsets);
        Assert.True(Memory.TryCopyIn(new GuestAddress(place ?? at), bytes.ToArray()));
        return result;
    }

    /// <summary>Code at <see cref="Code"/> (segment <see cref="Code"/>/16 in real mode) that ends with a write to the done port.</summary>
    public AssemblerResult Program(int bits, Action<Assembler> write, bool real = false) => Assemble(bits, real ? 0 : Code, c =>
    {
        write(c);
        Finish(c);
    }, Code);

    /// <summary>Ends the run, and stays there when it is run again.</summary>
    public static void Finish(Assembler c)
    {
        Label again = c.CreateLabel();
        c.nop(); // may have a label of its own
        c.Label(ref again);
        c.@out(unchecked((sbyte)TinyIo.DonePort), al);
        c.jmp(again);
    }

    /// <summary>
    /// Handlers of 64-bit code for all vectors: each writes a <see cref="FaultRecord"/>; the guest goes on at R15, or is done when that is 0.
    /// </summary>
    public void RecordFaults64()
    {
        ulong common = Stubs + (256 * 16);
        Assemble(64, common, c =>
        {
            Label stop = c.CreateLabel();
            c.push(rax);
            c.push(rcx);
            c.mov(ecx, __dword_ptr[FaultCount]);
            c.cmp(ecx, MaxFaults);
            c.jae(stop);
            c.inc(__dword_ptr[FaultCount]);
            c.shl(ecx, 6);
            for (int i = 0; i < 7; i++) // vector, error, rip, cs, flags, rsp, ss
            {
                c.mov(rax, __[rsp + 16 + (i * 8)]);
                c.mov(__[rcx + (long)FaultRecords + (i * 8)], rax);
            }

            c.mov(rax, cr2);
            c.mov(__[rcx + (long)FaultRecords + 56], rax);
            c.test(r15, r15);
            c.je(stop);
            c.mov(__[rsp + 32], r15);
            c.pop(rcx);
            c.pop(rax);
            c.add(rsp, 16);
            c.iretq();
            c.Label(ref stop);
            Finish(c);
        });
        for (int vector = 0; vector < 256; vector++)
        {
            int number = vector;
            Assemble(64, Stubs + (ulong)(vector * 16), c =>
            {
                if (!PushesError(number)) c.push(0);
                c.push(number);
                c.jmp(common);
            });
        }
    }

    /// <summary>As <see cref="RecordFaults64"/> for 32-bit code; the guest goes on at ESI, for which there is <see cref="After"/>.</summary>
    public void RecordFaults32()
    {
        ulong common = Stubs + (256 * 16);
        Assemble(32, After, Finish);
        Assemble(32, common, c =>
        {
            Label stop = c.CreateLabel();
            c.push(eax);
            c.push(ecx);
            c.push(ds);
            c.mov(eax, KernelData);
            c.mov(ds, eax);
            c.mov(ecx, __dword_ptr[(uint)FaultCount]);
            c.cmp(ecx, MaxFaults);
            c.jae(stop);
            c.inc(__dword_ptr[(uint)FaultCount]);
            c.shl(ecx, 6);
            for (int i = 0; i < 7; i++)
            {
                c.mov(eax, __dword_ptr.ss[esp + 12 + (i * 4)]);
                c.mov(__dword_ptr[ecx + (int)FaultRecords + (i * 8)], eax);
            }

            c.mov(eax, cr2);
            c.mov(__dword_ptr[ecx + (int)FaultRecords + 56], eax);
            c.test(esi, esi);
            c.je(stop);
            c.mov(__dword_ptr.ss[esp + 20], esi);
            c.pop(ds);
            c.pop(ecx);
            c.pop(eax);
            c.add(esp, 8);
            c.iretd();
            c.Label(ref stop);
            Finish(c);
        });
        for (uint vector = 0; vector < 256; vector++)
        {
            uint number = vector, target = (uint)Stubs + (vector * 16);
            Assemble(32, target, c =>
            {
                if (!PushesError((int)number)) c.push(0);
                c.push((int)number);
                c.jmp(common);
            });
            Gate32(vector, target);
        }
    }

    /// <summary>A 32-bit interrupt gate.</summary>
    public void Gate32(uint vector, uint target, int dpl = 3, ushort selector = KernelCode32, int type = 14)
        => Put(Idt + (vector * 8), (target & 0xffff) | ((ulong)selector << 16) | ((ulong)(0x80 | (dpl << 5) | type) << 40) | ((ulong)(target >> 16) << 48));

    /// <summary>A 64-bit interrupt gate.</summary>
    public void Gate64(uint vector, ulong target, int dpl = 3, int ist = 0, ushort selector = KernelCode)
    {
        Put(Idt + (vector * 16), (target & 0xffff) | ((ulong)selector << 16) | ((ulong)(uint)ist << 32) | ((ulong)(0x8e | (dpl << 5)) << 40) | ((target >> 16 & 0xffff) << 48));
        Put(Idt + (vector * 16) + 8, target >> 32);
    }

    /// <summary>What the handlers of <see cref="RecordFaults64"/> and its like saw, in order.</summary>
    public FaultRecord[] Faults
    {
        get
        {
            FaultRecord[] faults = new FaultRecord[(int)Get(FaultCount)];
            for (int i = 0; i < faults.Length; i++)
            {
                ulong at = FaultRecords + (ulong)(i * FaultBytes);
                faults[i] = new FaultRecord(Get(at), Get(at + 8), Get(at + 16), Get(at + 24), Get(at + 32), Get(at + 40), Get(at + 48), Get(at + 56));
            }

            return faults;
        }
    }

    // ---- states -------------------------------------------------------------------------------------------------------------------

    /// <summary>Real mode at <see cref="Code"/>: CS = <see cref="Code"/>/16, the others 0.</summary>
    public static VcpuState RealMode()
    {
        SegmentState data = new(0, 0, 0xffff, SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.WritableOrReadable | SegmentAttributes.Accessed);
        return new VcpuState
        {
            Cs = new SegmentState((ushort)(Code >> 4), Code, 0xffff, data.Attributes | SegmentAttributes.Code),
            Ds = data,
            Es = data,
            Ss = data,
            Fs = data,
            Gs = data,
            Rip = 0,
            Gpr = { [4] = 0x7000 },
            Idtr = new DescriptorTableState(0, 0x3ff),
            ApicBase = 0xfee00900,
        };
    }

    /// <summary>Flat 32-bit protected mode, without paging unless a CR3 is given.</summary>
    public static VcpuState Protected32(int cpl = 0, ulong cr3 = 0, ulong cr4 = 0)
    {
        VcpuState state = Flat(cpl, cpl == 0 ? KernelCode32 : UserCode32, SegmentAttributes.DB);
        state.Cr0 = 0x11 | (cr3 != 0 ? 0x80010000u : 0);
        state.Cr3 = cr3;
        state.Cr4 = cr4;
        state.Idtr = new DescriptorTableState(Idt, 0x7ff);
        return state;
    }

    /// <summary>16-bit protected mode with flat segments, without paging.</summary>
    public static VcpuState Protected16()
    {
        VcpuState state = Flat(0, KernelCode16, SegmentAttributes.None);
        state.Cr0 = 0x11;
        state.Idtr = new DescriptorTableState(Idt, 0x7ff);
        return state;
    }

    /// <summary>64-bit mode with 4 GiB identity-mapped by 2 MiB pages, open to all.</summary>
    public static VcpuState LongMode(int cpl = 0, ulong cr3 = Pml4) => Long(Flat(cpl, cpl == 0 ? KernelCode : UserCode, SegmentAttributes.L), cr3);

    /// <summary>32-bit code in long mode.</summary>
    public static VcpuState Compatibility(int cpl = 3) => Long(Flat(cpl, cpl == 0 ? KernelCode32 : UserCode32, SegmentAttributes.DB), Pml4);

    private static VcpuState Long(VcpuState state, ulong cr3)
    {
        state.Cr0 = 0x80050033;
        state.Cr3 = cr3;
        state.Cr4 = 0x620; // PAE, OSFXSR, OSXMMEXCPT
        state.Efer = 0xd01; // SCE, LME, LMA, NXE
        state.Idtr = new DescriptorTableState(Idt, 0xfff);
        return state;
    }

    private static VcpuState Flat(int cpl, ushort code, SegmentAttributes codeSize)
    {
        SegmentState data = Segment(cpl == 0 ? KernelData : UserData, cpl, SegmentAttributes.DB);
        return new VcpuState
        {
            Cs = Segment(code, cpl, SegmentAttributes.Code | codeSize),
            Ds = data,
            Es = data,
            Ss = data,
            Fs = data,
            Gs = data,
            Tr = new SegmentState(TssSelector, Tss, TssLimit, SegmentAttributes.Present | (SegmentAttributes)11),
            Ldtr = new SegmentState(0, 0, 0, SegmentAttributes.Unusable),
            Gdtr = new DescriptorTableState(Gdt, 0xff),
            Rip = Code,
            Gpr = { [4] = cpl == 0 ? Stack : UserStack },
            ApicBase = 0xfee00900,
        };
    }

    private static SegmentState Segment(ushort selector, int cpl, SegmentAttributes more) => new(selector, 0, 0xffffffff,
        SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G | SegmentAttributes.Accessed | SegmentAttributes.WritableOrReadable
        | more | (SegmentAttributes)(cpl << 5));

    /// <summary>A code or data descriptor.</summary>
    public static ulong Descriptor(uint @base, uint limit, int access, int flags)
        => (limit & 0xffff) | ((ulong)(@base & 0xffffff) << 16) | ((ulong)(uint)access << 40) | ((ulong)(limit >> 16 & 15) << 48) | ((ulong)(uint)flags << 52) | ((ulong)(@base >> 24) << 56);

    /// <summary>Puts a descriptor into a slot of the GDT.</summary>
    public void PutDescriptor(ushort selector, ulong descriptor) => Put(Gdt + (ulong)(selector & 0xfff8), descriptor);

    private void WriteTables()
    {
        PutDescriptor(KernelCode, 0x00af9b000000ffff);
        PutDescriptor(KernelData, 0x00cf93000000ffff);
        PutDescriptor(UserData, 0x00cff3000000ffff);
        PutDescriptor(UserCode, 0x00affb000000ffff);
        PutDescriptor(KernelCode32, 0x00cf9b000000ffff);
        PutDescriptor(KernelCode16, 0x008f9b000000ffff);
        PutDescriptor(UserCode32, 0x00cffb000000ffff);
        PutDescriptor(TssSelector, Descriptor((uint)Tss, TssLimit, 0x8b, 0));
        PutDescriptor(KernelData16, 0x008f93000000ffff);
        for (uint vector = 0; vector < 256; vector++) Gate64(vector, Stubs + (vector * 16));
        Put(Tss + 4, Stack); // RSP0, or ESP0
        Put(Tss + 36, IstStack);
        Memory.TryWrite(new GuestAddress(Tss + 0x66), (ushort)0x68); // I/O map: all ports open
        Memory.TryWrite(new GuestAddress(Tss + TssLimit), (byte)0xff);
        Put(Pml4, Pdpt | P | RW | US);
        for (ulong i = 0; i < 4; i++)
        {
            Put(Pdpt + (i * 8), (Pds + (i * 0x1000)) | P | RW | US);
            for (ulong j = 0; j < 512; j++) Put(Pds + (i * 0x1000) + (j * 8), (((i * 512) + j) << 21) | P | RW | US | PS);
        }
    }

    /// <summary>ESP0 and SS0 for stack switches of 32-bit code.</summary>
    public void SetInnerStack32(ushort ss = KernelData)
    {
        Memory.TryWrite(new GuestAddress(Tss + 4), (uint)Stack);
        Memory.TryWrite(new GuestAddress(Tss + 8), (uint)ss);
    }

    // ---- page tables --------------------------------------------------------------------------------------------------------------

    /// <summary>A zeroed page for a table.</summary>
    public ulong NewTable()
    {
        _nextTable += 0x1000;
        Memory.TryFill(new GuestAddress(_nextTable - 0x1000), 0x1000, 0);
        return _nextTable - 0x1000;
    }

    /// <summary>Four-level tables that map the first 2 MiB to themselves in 4 KiB pages; gives CR3.</summary>
    public ulong NewSmallPages(ulong flags = P | RW | US)
    {
        ulong root = NewTable();
        for (ulong at = 0; at < 0x200000; at += 0x1000) Map(root, at, at | flags);
        return root;
    }

    /// <summary>Maps one 4 KiB page; gives the address of its entry. Directories are open to all.</summary>
    public ulong Map(ulong root, ulong linear, ulong entry)
    {
        ulong table = root;
        for (int shift = 39; shift > 12; shift -= 9)
        {
            ulong slot = table + ((linear >> shift & 511) * 8);
            if ((Get(slot) & P) == 0) Put(slot, NewTable() | P | RW | US);
            table = Get(slot) & 0xffffffffff000;
        }

        ulong at = table + ((linear >> 12 & 511) * 8);
        Put(at, entry);
        return at;
    }

    // ---- running -------------------------------------------------------------------------------------------------------------------

    /// <summary>Applies the state to vCPU 0 and runs it until the guest is done.</summary>
    public void RunToDone(VcpuState state)
    {
        Vcpu.Apply(state);
        Assert.Equal(VcpuExit.Interrupted, Run());
    }

    /// <summary>Runs a vCPU; a run of more than twenty seconds fails.</summary>
    public VcpuExit Run(int index = 0)
    {
        IVcpu vcpu = Vcpus[index];
        using Timer guard = new(_ =>
        {
            Interlocked.Increment(ref _expired);
            foreach (IVcpu each in Vcpus) each.Kick();
        }, null, 20_000, Timeout.Infinite);
        VcpuExit exit = vcpu.Run(Ios[index]);
        if (Volatile.Read(ref _expired) != 0)
        {
            VcpuState state = new();
            vcpu.Capture(state);
            Assert.Fail($"vCPU {index} did not finish:\n{state.ToDump()}");
        }

        Assert.True(exit != VcpuExit.Failed, vcpu.FailureReason);
        return exit;
    }

    /// <summary>Runs every vCPU on a thread of its own until vCPU 0 is done; the others are kicked then.</summary>
    public void RunAll(VcpuState bootProcessor)
    {
        Thread[] others = [.. Vcpus.Skip(1).Select(v => new Thread(() => v.Run(Ios[v.Index])))];
        foreach (Thread other in others) other.Start();
        try
        {
            RunToDone(bootProcessor);
        }
        finally
        {
            foreach (IVcpu vcpu in Vcpus.Skip(1)) vcpu.Kick();
            foreach (Thread other in others) Assert.True(other.Join(5000));
        }
    }

    public VcpuState Capture(int index = 0)
    {
        VcpuState state = new();
        Vcpus[index].Capture(state);
        return state;
    }

    public void Put(ulong at, ulong value) => Assert.True(Memory.TryWrite(new GuestAddress(at), value));

    public ulong Get(ulong at)
    {
        Assert.True(Memory.TryRead(new GuestAddress(at), out ulong value));
        return value;
    }

    private static bool PushesError(int vector) => vector is 8 or 10 or 11 or 12 or 13 or 14 or 17;

    public void Dispose()
    {
        foreach (IVcpu vcpu in Vcpus) vcpu.Dispose();
        Machine.Dispose();
        _hypervisor.Dispose();
        _clock?.Dispose();
        _loop?.Dispose();
        _ram.Dispose();
    }
}
