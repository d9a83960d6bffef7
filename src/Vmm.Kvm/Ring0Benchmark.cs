using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Host;
using Vmm.Host.Native;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>
/// Measures how fast 64-bit ring-0 code runs, with a guest of five instructions in 16 KiB and without any device. A kick ends a guest that
/// does not come back in time.
/// </summary>
internal static unsafe class Ring0Benchmark
{
    private const ulong Pml4 = 0;
    private const ulong Pdpt = 0x1000;
    private const ulong Pd = 0x2000;
    private const ulong Code = 0x3000;
    private const uint MemoryBytes = 0x4000;
    private const ulong TablePointer = 3; // present, writable
    private const ulong LargePage = TablePointer | 0x80;
    private const ulong FirstIterations = 500;
    private const ulong MaximumIterations = 1UL << 32;
    private const int Growth = 8;
    private const int InstructionsInLoop = 2;
    private const int WatchdogMs = 250;

    // Intel SDM vol. 3 §2.5, §2.2.1.
    private const ulong CR0_PE = 1 << 0;
    private const ulong CR0_ET = 1 << 4;
    private const ulong CR0_PG = 1UL << 31;
    private const ulong CR4_PAE = 1 << 5;
    private const ulong EFER_LME = 1 << 8;
    private const ulong EFER_LMA = 1 << 10;

    // loop: dec rcx; jnz loop; hlt; jmp loop
    private static ReadOnlySpan<byte> Program => [0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4, 0xeb, 0xf8];

    /// <summary>Million instructions a second.</summary>
    /// <param name="kvm">The open device.</param>
    /// <param name="budget">The measurement ends with the first run that takes longer than an eighth of this; each run is eight times the one before.</param>
    /// <exception cref="HypervisorException">The guest cannot be made or did not come back.</exception>
    public static double Measure(int kvm, TimeSpan budget)
    {
        using MappedMemory memory = new(MemoryBytes, new MappedMemoryOptions { Name = "kvm-probe" });
        WriteGuest(memory.Address);
        using LinuxFile vm = new(KvmCall.Must(kvm, KvmIoctl.KVM_CREATE_VM, 0, "creating a virtual machine"));
        KvmUserspaceMemoryRegion slot = new() { SizeBytes = MemoryBytes, HostAddress = (ulong)memory.Address };
        KvmCall.Must(vm.Fd, KvmIoctl.KVM_SET_USER_MEMORY_REGION, ref slot, "giving the guest memory");
        using LinuxFile vcpu = new(KvmCall.Must(vm.Fd, KvmIoctl.KVM_CREATE_VCPU, 0, "creating a vCPU"));
        nuint runBytes = (nuint)KvmCall.Must(kvm, KvmIoctl.KVM_GET_VCPU_MMAP_SIZE, 0, "asking for the size of the vCPU page");
        nint page = Libc.Mmap(0, runBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, vcpu.Fd, 0);
        if (page == Libc.MAP_FAILED) throw KvmCall.Failure("mapping a vCPU's page");
        try
        {
            EnterLongMode(vcpu.Fd);
            return MeasureRuns(vcpu.Fd, (KvmRun*)page, budget);
        }
        finally
        {
            _ = Libc.Munmap(page, runBytes);
        }
    }

    private static double MeasureRuns(int vcpu, KvmRun* run, TimeSpan budget)
    {
        KickSignal.Install();
        using ManualResetEventSlim finished = new();
        int threadId = Libc.GetTid();
        Thread watchdog = new(() =>
        {
            if (finished.Wait(WatchdogMs)) return;
            Volatile.Write(ref run->ImmediateExit, 1);
            Interlocked.MemoryBarrier();
            KickSignal.Send(threadId);
        })
        { IsBackground = true };
        watchdog.Start();
        try
        {
            ulong iterations = FirstIterations;
            while (true)
            {
                long start = Stopwatch.GetTimestamp();
                RunLoop(vcpu, run, iterations);
                TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
                if (elapsed * Growth >= budget || iterations >= MaximumIterations) return iterations * InstructionsInLoop / elapsed.TotalMicroseconds;
                iterations *= Growth;
            }
        }
        finally
        {
            finished.Set();
            watchdog.Join();
        }
    }

    private static void RunLoop(int vcpu, KvmRun* run, ulong iterations)
    {
        KvmRegs regs = new() { Rcx = iterations, Rip = Code, Rflags = 2 };
        KvmCall.Must(vcpu, KvmIoctl.KVM_SET_REGS, ref regs, "setting the general registers");
        while (true)
        {
            int result = KvmCall.RunIoctl(vcpu, KvmIoctl.KVM_RUN, 0);
            int errno = result < 0 ? Marshal.GetLastSystemError() : 0;
            if (errno == Errno.EINTR && Volatile.Read(ref run->ImmediateExit) == 0) continue;
            if (errno == Errno.EINTR) throw new HypervisorException($"KVM: a tiny guest did not come back within {WatchdogMs} ms");
            if (errno != 0) throw new HypervisorException($"KVM: a tiny guest does not run: {Marshal.GetPInvokeErrorMessage(errno)} ({Errno.Name(errno)})");
            if (run->ExitReason == KvmExitReason.KVM_EXIT_HLT) return;
            throw new HypervisorException($"KVM: a tiny guest does not run: {KvmExitText.Describe(run)}");
        }
    }

    private static void WriteGuest(nint address)
    {
        // SAFETY: the mapping has MemoryBytes bytes.
        Span<byte> memory = new((void*)address, (int)MemoryBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(memory[(int)Pml4..], Pdpt | TablePointer);
        BinaryPrimitives.WriteUInt64LittleEndian(memory[(int)Pdpt..], Pd | TablePointer);
        BinaryPrimitives.WriteUInt64LittleEndian(memory[(int)Pd..], LargePage);
        Program.CopyTo(memory[(int)Code..]);
    }

    private static void EnterLongMode(int vcpu)
    {
        const SegmentAttributes flat = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G
            | SegmentAttributes.WritableOrReadable | SegmentAttributes.Accessed;
        SegmentState data = new(0x10, 0, uint.MaxValue, flat | SegmentAttributes.DB);
        VcpuState state = new()
        {
            Cs = new SegmentState(8, 0, uint.MaxValue, flat | SegmentAttributes.Code | SegmentAttributes.L),
            Ds = data,
            Es = data,
            Ss = data,
            Fs = data,
            Gs = data,
            Cr0 = CR0_PG | CR0_ET | CR0_PE,
            Cr3 = Pml4,
            Cr4 = CR4_PAE,
            Efer = EFER_LMA | EFER_LME,
        };
        KvmStateCodec.Encode(state, out KvmSregs sregs);
        KvmCall.Must(vcpu, KvmIoctl.KVM_SET_SREGS, ref sregs, "setting the system registers");
    }
}
