using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Core.Interrupts;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Rng;
using Vmm.Guest.Tests.Tiny;
using Vmm.Storage;
using Vmm.TestKit;
using Xunit.Abstractions;

namespace Vmm.Guest.Tests.Virtio;

/// <summary>Requests per second of one queue, driven by a guest in ring 3. Only on demand (VMM_FIGURES set): see tests/proofs/ring-figures.sh.</summary>
public sealed class RingFigures(ITestOutputHelper output)
{
    private const int Rounds = 15;

    // A worker that falls asleep between requests makes a round forty times as long as one that does not.
    private static readonly TimeSpan RoundLength = TimeSpan.FromSeconds(0.1);

    [FiguresFact]
    public void RequestsPerSecond()
    {
        string path = Path.Combine(Path.GetTempPath(), $"vmm-ring-{Environment.ProcessId}.raw");
        byte[] content = new byte[16 << 20];
        new Random(1).NextBytes(content);
        File.WriteAllBytes(path, content);
        try
        {
            foreach (string accelerator in KvmAvailability.SkipReason is null ? new[] { Accelerators.Kvm, Accelerators.Software } : [Accelerators.Software])
            {
                foreach (bool isPacked in new[] { false, true }) Measure(accelerator, isPacked, path);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>What an interrupt costs the thread that sends it, to a vCPU that does not run: through an eventfd and as a call of KVM.</summary>
    [FiguresFact]
    public void MessageCost()
    {
        if (KvmAvailability.SkipReason is not null) return;
        const int Messages = 5_000;
        using TinyGuest guest = new(Accelerators.Kvm);
        IMsiSink sink = guest.Machine.Interrupts.Msi;
        MsiMessage message = new(TinyGuest.ApicBase, 0x40);
        using IMsiRoute route = ((IMsiRouter)sink).TryCreateRoute()!;
        Assert.True(route.TryOpen(message));
        double byRoute = double.MaxValue, byCall = double.MaxValue;
        for (int round = 0; round < 100; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Messages; i++) route.Signal();
            byRoute = Math.Min(byRoute, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Messages);
            start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Messages; i++) sink.Signal(message, 0);
            byCall = Math.Min(byCall, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Messages);
        }

        output.WriteLine($"message through an eventfd {byRoute:F0} ns, as a call {byCall:F0} ns; 1e9 /s");
    }

    private void Measure(string accelerator, bool isPacked, string path)
    {
        string ring = $"{accelerator,-8} {(isPacked ? "packed" : "split"),-6}";
        foreach (int depth in new[] { 1, 16 })
        {
            using (RingGuest guest = new(accelerator, workers => new VirtioRng(new ZeroEntropy(), workers), isPacked))
            {
                for (int i = 0; i < depth; i++) guest.Describe(i, new PackedQueueDriver.Buffer(RingGuest.Buffers, 16, IsWritable: true));
                Report(guest, $"{ring} rng 16 B, polled, depth {depth}", depth, waits: false);
                if (depth == 1) Report(guest, $"{ring} rng 16 B, interrupt each (route)", 1, waits: true);
            }

            using (IDiskImage image = DiskImages.Open(path, ImageFormat.Raw, new ImageOpenOptions { ReadOnly = true }))
            using (RingGuest guest = new(accelerator, workers => new VirtioBlock(image, new VirtioBlockOptions { QueueSize = RingGuest.QueueSize }, workers), isPacked))
            {
                for (int i = 0; i < depth; i++) RingTests.DescribeRead(guest, i);
                Report(guest, $"{ring} blk 4 KiB raw, polled, depth {depth}", depth, waits: false);
                if (depth == 1) Report(guest, $"{ring} blk 4 KiB raw, interrupt each", 1, waits: true);
            }
        }

        using RingGuest plain = new(accelerator, workers => new VirtioRng(new ZeroEntropy(), workers), isPacked, withDoorbell: false, withRoutes: false);
        plain.Describe(0, new PackedQueueDriver.Buffer(RingGuest.Buffers, 16, IsWritable: true));
        Report(plain, $"{ring} rng 16 B, polled, depth 1, kick through the bus", 1, waits: false);
        Report(plain, $"{ring} rng 16 B, interrupt each (call), kick through the bus", 1, waits: true);
    }

    /// <summary>The best of some rounds: other work on the host only takes away.</summary>
    private void Report(RingGuest guest, string what, int depth, bool waits)
    {
        int batches = 64;
        double best = 0, cpu = 0;
        for (int round = 0; round < Rounds; round++)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            long start = Stopwatch.GetTimestamp();
            guest.Run(batches, depth, waits);
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            double rate = batches * depth / took.TotalSeconds;
            if (rate > best) (best, cpu) = (rate, (Environment.CpuUsage.TotalTime - before).TotalSeconds / (batches * depth));
            batches = (int)Math.Clamp(batches * RoundLength / took, 64, 1 << 22);
        }

        output.WriteLine($"{what,-62} {best,12:N0} /s  {1e6 / best,8:F2} us each, {1e6 * cpu:F2} us of CPU");
    }

    private sealed class ZeroEntropy : IEntropySource
    {
        public void Fill(Span<byte> data) => data.Clear();
    }
}
