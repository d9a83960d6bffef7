using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.Kvm.Tests;

/// <summary>A machine with 4 MiB of RAM and tiny guests in it. Every run is bounded in time.</summary>
internal sealed class TestGuest : IDisposable
{
    public const ulong Code = 0x10000;
    public const ulong Handler = 0x11000;
    public const ulong Stack = 0x20000;
    public const ulong ApTrampoline = 0x8000;
    public const ulong Data = 0x100000;
    public const ulong Rom = 0xff000000;

    /// <summary>A hole of the address space: MMIO.</summary>
    public const ulong Mmio = 0xd0000000;

    public const ushort KernelCode = 0x08;
    public const ushort KernelData = 0x10;
    public const ushort UserData = 0x18 | 3;
    public const ushort UserCode = 0x20 | 3;

    private const ulong Pml4 = 0x1000;
    private const ulong Pdpt = 0x2000;
    private const ulong Pds = 0x3000; // four of them
    private const ulong Gdt = 0x7000;
    private const ulong Tss = 0x7100;
    private const ulong Idt = 0x9000;
    private const ulong PageFlags = 7; // present, writable, user
    private const ulong LargePage = 0x80;

    private readonly MappedMemory _ram = new(4 << 20);
    private readonly MappedMemory _rom = new(0x1000);

    public TestGuest(KvmOptions? options = null)
    {
        Hypervisor = new KvmHypervisor(options ?? new KvmOptions());
        Memory = new GuestMemory([.. _ram.RamRegions(), _rom.Region(new GuestAddress(Rom), 0, 0x1000, isReadOnly: true)]);
        Machine = Hypervisor.CreateKvmMachine(Memory);
        Vcpus = [.. Enumerable.Range(0, Hypervisor.Options.VcpuCount).Select(Machine.CreateKvmVcpu)];
        Io.Done = () => Vcpus[0].Kick();
    }

    public KvmHypervisor Hypervisor { get; }

    public GuestMemory Memory { get; }

    public KvmMachine Machine { get; }

    public KvmVcpu[] Vcpus { get; }

    public KvmVcpu Vcpu => Vcpus[0];

    public TestIo Io { get; } = new();

    /// <summary>Assembles code for an address and puts it there.</summary>
    public void Assemble(int bits, ulong at, Action<Assembler> write)
    {
        Assembler assembler = new(bits);
        write(assembler);
        using MemoryStream bytes = new();
        assembler.Assemble(new StreamCodeWriter(bytes), at);
        Assert.True(Memory.TryCopyIn(new GuestAddress(at), bytes.ToArray()));
    }

    /// <summary>Code at <see cref="Code"/> that ends with a write to the done port.</summary>
    public void Program(int bits, Action<Assembler> write) => Assemble(bits, Code, c =>
    {
        write(c);
        Finish(c);
    });

    /// <summary>Ends the run, and stays there when it is run again.</summary>
    public static void Finish(Assembler c)
    {
        Label again = c.CreateLabel();
        c.Label(ref again);
        c.@out(unchecked((sbyte)TestIo.DonePort), AssemblerRegisters.al);
        c.jmp(again);
    }

    /// <summary>Real mode at <see cref="Code"/>.</summary>
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

    /// <summary>Flat 32-bit protected mode without paging.</summary>
    public static VcpuState ProtectedMode()
    {
        VcpuState state = RealMode();
        state.Cr0 |= 1;
        state.Cs = Flat(KernelCode, 0, code: true) with { Attributes = Flat(KernelCode, 0, true).Attributes & ~SegmentAttributes.L | SegmentAttributes.DB };
        state.Ss = state.Ds = state.Es = Flat(KernelData, 0, code: false);
        state.Rip = Code;
        state.Gpr[4] = Stack;
        return state;
    }

    /// <summary>64-bit mode with 4 GiB identity-mapped, a GDT, a TSS with an open I/O bitmap and an IDT whose gates lead to <see cref="Handler"/> plus 16 times the vector.</summary>
    public VcpuState LongMode(int cpl = 0)
    {
        Put(Pml4, Pdpt | PageFlags);
        for (ulong i = 0; i < 4; i++)
        {
            Put(Pdpt + (i * 8), (Pds + (i * 0x1000)) | PageFlags);
            for (ulong j = 0; j < 512; j++) Put(Pds + (i * 0x1000) + (j * 8), (((i * 512) + j) << 21) | PageFlags | LargePage);
        }

        Put(Gdt, 0);
        Put(Gdt + 8, 0x00af9b000000ffff);
        Put(Gdt + 16, 0x00cf93000000ffff);
        Put(Gdt + 24, 0x00cff3000000ffff);
        Put(Gdt + 32, 0x00affb000000ffff);
        Put(Tss + 4, Stack); // RSP0
        for (ulong vector = 0; vector < 256; vector++)
        {
            ulong target = Handler + (vector * 16);
            Put(Idt + (vector * 16), (target & 0xffff) | ((ulong)KernelCode << 16) | (0xee00UL << 32) | (target >> 16 << 48));
            Put(Idt + (vector * 16) + 8, target >> 32);
        }

        SegmentState data = Flat(cpl == 0 ? KernelData : UserData, cpl, code: false);
        return new VcpuState
        {
            Cr0 = 0x80050033,
            Cr3 = Pml4,
            Cr4 = 0x620, // PAE, OSFXSR, OSXMMEXCPT
            Efer = 0xd00, // LME, LMA, NXE
            Cs = Flat(cpl == 0 ? KernelCode : UserCode, cpl, code: true),
            Ds = data,
            Es = data,
            Ss = data,
            Fs = data,
            Gs = data,
            Tr = new SegmentState(0x28, Tss, 0x67, SegmentAttributes.Present | (SegmentAttributes)11),
            Gdtr = new DescriptorTableState(Gdt, 0x27),
            Idtr = new DescriptorTableState(Idt, 0xfff),
            Rip = Code,
            Gpr = { [4] = Stack },
            ApicBase = 0xfee00900,
        };
    }

    /// <summary>Applies the state to vCPU 0 and runs it until the guest is done.</summary>
    public void RunToDone(VcpuState state)
    {
        Vcpu.Apply(state);
        Assert.Equal(VcpuExit.Interrupted, Run());
    }

    /// <summary>Runs a vCPU; a run of more than ten seconds fails.</summary>
    public VcpuExit Run(KvmVcpu? vcpu = null, IVcpuIo? io = null)
    {
        vcpu ??= Vcpu;
        using Timer guard = new(_ =>
        {
            Interlocked.Increment(ref _expired);
            vcpu.Kick();
        }, null, 10_000, Timeout.Infinite);
        VcpuExit exit = vcpu.Run(io ?? Io);
        Assert.True(Volatile.Read(ref _expired) == 0, "the guest did not finish");
        Assert.True(exit != VcpuExit.Failed, vcpu.FailureReason);
        return exit;
    }

    private int _expired;

    public void Put(ulong at, ulong value) => Assert.True(Memory.TryWrite(new GuestAddress(at), value));

    public ulong Get(ulong at)
    {
        Assert.True(Memory.TryRead(new GuestAddress(at), out ulong value));
        return value;
    }

    public void Dispose()
    {
        Machine.Dispose();
        Hypervisor.Dispose();
        _ram.Dispose();
        _rom.Dispose();
    }

    private static SegmentState Flat(ushort selector, int cpl, bool code) => new(selector, 0, 0xffffffff,
        SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G | SegmentAttributes.Accessed | SegmentAttributes.WritableOrReadable
        | (code ? SegmentAttributes.Code | SegmentAttributes.L : SegmentAttributes.DB) | (SegmentAttributes)(cpl << 5));

    /// <summary>True where KVM interprets ring 0 (kvm_pvm).</summary>
    public static bool Ring0IsInterpreted => Directory.Exists("/sys/module/kvm_pvm");
}
