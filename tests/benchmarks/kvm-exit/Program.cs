using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Kvm;

namespace Vmm.Benchmarks.KvmExit;

/// <summary>The same guest and the same figure as kvm-exit.c, through the product's own run loop.</summary>
internal static partial class Program
{
    private const int Batches = 41;
    private const int Exits = 500;
    private const int CLOCK_THREAD_CPUTIME_ID = 3;

    private static int Main()
    {
        using MappedMemory mapped = new(0x4000);
        GuestMemory memory = new(mapped.RamRegions());
        memory.TryWrite(new GuestAddress(0x0000), 0x1003ul);
        memory.TryWrite(new GuestAddress(0x1000), 0x2003ul);
        memory.TryWrite(new GuestAddress(0x2000), 0x83ul);
        memory.TryCopyIn(new GuestAddress(0x3000), [0xe6, 0x80, 0xeb, 0xfc]); // again: out 0x80, al; jmp again
        using KvmHypervisor hypervisor = new(new KvmOptions());
        using KvmMachine machine = hypervisor.CreateKvmMachine(memory);
        KvmVcpu vcpu = machine.CreateKvmVcpu(0);
        vcpu.Apply(LongMode());
        CountingIo io = new(vcpu);
        VcpuExit exit = vcpu.Run(io);
        if (exit != VcpuExit.Interrupted || io.Written != (Batches + 1) * Exits)
        {
            Console.Error.WriteLine($"{exit} {vcpu.FailureReason} after {io.Written}");
            return 1;
        }

        Array.Sort(io.BatchNs);
        Console.WriteLine(io.BatchNs[Batches / 2].ToString("F0", CultureInfo.InvariantCulture));
        return 0;
    }

    private static VcpuState LongMode()
    {
        const SegmentAttributes flat = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G
            | SegmentAttributes.WritableOrReadable | SegmentAttributes.Accessed;
        SegmentState data = new(0x10, 0, uint.MaxValue, flat | SegmentAttributes.DB);
        return new VcpuState
        {
            Cs = new SegmentState(8, 0, uint.MaxValue, flat | SegmentAttributes.Code | SegmentAttributes.L),
            Ds = data,
            Es = data,
            Ss = data,
            Fs = data,
            Gs = data,
            Cr0 = 0x80000011,
            Cr4 = 0x20,
            Efer = 0x500,
            Rip = 0x3000,
            Gpr = { [0] = 1 },
            ApicBase = 0xfee00900,
        };
    }

    private static unsafe double NowNs()
    {
        Span<long> time = stackalloc long[2];
        fixed (long* pointer = time) _ = ClockGetTime(CLOCK_THREAD_CPUTIME_ID, pointer);
        return (time[0] * 1e9) + time[1];
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static unsafe partial int ClockGetTime(int clock, long* time);

    private sealed class CountingIo(KvmVcpu vcpu) : IVcpuIo
    {
        private int _left = Exits;
        private int _batch = -1;
        private double _start = NowNs();

        public double[] BatchNs { get; } = new double[Batches];

        public int Written { get; private set; }

        public void PortIn(ushort port, Span<byte> data) => data.Clear();

        public void PortOut(ushort port, ReadOnlySpan<byte> data)
        {
            Written += data[0];
            if (--_left == 0) EndBatch();
        }

        public void MmioRead(ulong gpa, Span<byte> data) => data.Clear();

        public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) { }

        private void EndBatch()
        {
            double now = NowNs();
            if (_batch >= 0) BatchNs[_batch] = (now - _start) / Exits;
            _left = Exits;
            if (++_batch == Batches) vcpu.Kick();
            _start = NowNs();
        }
    }
}
