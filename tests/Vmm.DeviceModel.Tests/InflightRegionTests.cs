using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Inflight;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.DeviceModel.Tests;

/// <summary>The account of what is under way: cut off between any two steps of a queue, and filled with anything.</summary>
public sealed class InflightRegionTests
{
    private const int Size = 16;
    private const ulong Version1 = 1UL << 32, Packed = 1UL << 34, Rings = 0x1000, Buffers = 0x8000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Queue_CutOffAnywhere_SuccessorTakesWhatIsOutInItsOrder(bool packed)
    {
        Random random = new(3);
        for (int round = 0; round < 200; round++)
        {
            using TestMemory memory = new(1 << 16);
            InflightRegion region = InflightRegion.Create(1, Size, out LinuxFile file);
            Driver driver = new(memory.Memory, packed);
            (VirtQueue queue, List<VirtChain> taken) = (Start(driver, region, memory.Memory), []);
            HashSet<int> given = [];
            VirtChain? last = null;
            for (int step = 0; step < random.Next(120); step++)
            {
                switch (random.Next(5))
                {
                    case 0 or 1:
                        driver.Offer(random.Next(1, 3));
                        break;
                    case 2 or 3:
                        VirtChain chain = queue.NewChain();
                        if (!queue.TryPop(chain)) break;
                        taken.Add(chain);
                        last = chain;
                        break;
                    case 4 when last is not null && taken.Count != 0 && taken[^1] == last && random.Next(2) == 0:
                        // Only the one that was taken last can go back.
                        queue.Return(last);
                        taken.RemoveAt(taken.Count - 1);
                        last = null;
                        break;
                    case 4 when taken.Count != 0:
                        int done = random.Next(1, Math.Min(taken.Count, 3) + 1), from = random.Next(taken.Count - done + 1);
                        VirtChain[] chains = [.. taken.GetRange(from, done)];
                        taken.RemoveRange(from, done);
                        queue.Push(chains, new uint[done]);
                        queue.Signal();
                        break;
                }

                driver.Collect(given);
            }

            // The successor has the region alone, as it lies in the file.
            ulong size = region.SizeBytes;
            region.Dispose();
            using InflightRegion next = InflightRegion.Map(file, new InflightDescription(size, 0, 1, Size));
            file.Dispose();
            VirtQueue successor = Start(driver, next, memory.Memory);
            List<int> again = [];
            VirtChain one = successor.NewChain();
            while (successor.TryPop(one))
            {
                Assert.True(one.TryRead(0, driver.Bytes));
                again.Add(driver.Number);
                successor.Push(one, 0);
            }

            successor.Signal();
            Assert.False(successor.IsBroken);
            driver.Collect(given);
            Assert.Equal([.. again.Order()], again);
            Assert.Equal(driver.Offered, given.Count);
            Assert.Equal(0, driver.Twice);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Region_FilledWithAnything_IsRefusedOrServed(bool packed)
    {
        Random random = new(8);
        for (int round = 0; round < 2000; round++)
        {
            using TestMemory memory = new(1 << 16);
            Driver driver = new(memory.Memory, packed);
            using InflightRegion region = InflightRegion.Create(1, Size, out LinuxFile file);
            using (file)
            {
                // Half true: numbers near what they may be, under the right version.
                using SharedMapping mapping = SharedMapping.Map(file, 0, region.SizeBytes, "region");
                for (ulong at = 0; at < 1024; at++)
                {
                    if (random.Next(3) == 0) mapping.Write(at, (byte)(random.Next(4) == 0 ? random.Next(256) : random.Next(3)));
                }

                mapping.Write<ushort>(8, 1);
                mapping.Write<ushort>(10, Size);
                VirtRingPosition position = packed ? PackedRing.Start : default;
                if (region.Resume(0, Driver.Setup, packed, memory.Memory, ref position) is not { } ledger) continue;
                VirtQueue queue = new(0, Size, memory.Memory, _ => { }, (_, _) => { });
                queue.Start(Driver.Setup, packed ? Version1 | Packed : Version1, position, ledger);
                List<VirtChain> taken = [];
                for (int i = 0; i < 60; i++)
                {
                    driver.Offer(1);
                    // The front end may write there at any time.
                    if (random.Next(2) == 0) mapping.Write((ulong)random.Next(1024), (byte)random.Next(4));
                    VirtChain chain = queue.NewChain();
                    if (queue.TryPop(chain)) taken.Add(chain);
                    if (taken.Count == 0 || random.Next(2) == 0) continue;
                    queue.Push(taken[0], 0);
                    taken.RemoveAt(0);
                }
            }
        }
    }

    [Fact]
    public void Kept_TheLastThatWasWhole()
    {
        using InflightRegion region = InflightRegion.Create(1, Size, out LinuxFile file);
        using (file)
        {
            Assert.Empty(region.Kept());
            for (byte i = 1; i < 10; i++)
            {
                Assert.True(region.TryKeep([i, i]));
                Assert.Equal([i, i], region.Kept());
            }

            Assert.False(region.TryKeep(new byte[1 << 20]));
            using InflightRegion other = InflightRegion.Map(file, new InflightDescription(region.SizeBytes, 0, 1, Size));
            Assert.Equal([9, 9], other.Kept());
        }
    }

    private static VirtQueue Start(Driver driver, InflightRegion region, GuestMemory memory)
    {
        VirtRingPosition position = driver.Position;
        IChainLedger? ledger = region.Resume(0, Driver.Setup, driver.IsPacked, memory, ref position);
        Assert.NotNull(ledger);
        VirtQueue queue = new(0, Size, memory, _ => { }, (_, problem) => Assert.Fail(problem));
        queue.Start(Driver.Setup, driver.IsPacked ? Version1 | Packed : Version1, position, ledger);
        return queue;
    }

    /// <summary>Offers chains that carry their number, and collects what comes back.</summary>
    private sealed class Driver(GuestMemory memory, bool packed)
    {
        private readonly PackedQueueDriver _packed = new(memory, Rings, Rings + 0x1000, Rings + 0x2000, Size, hasEventIndex: false);
        private readonly Dictionary<int, int> _numbers = [];
        private readonly Queue<int> _freeHeads = new(Enumerable.Range(0, Size / 2).Select(i => 2 * i));
        private ushort _next, _seen;

        public bool IsPacked => packed;

        public byte[] Bytes { get; } = new byte[4];

        public int Number => BitConverter.ToInt32(Bytes);

        public int Offered { get; private set; }

        public int Twice { get; private set; }

        public static VirtQueueSetup Setup => new() { Size = Size, Descriptors = Rings, Available = Rings + 0x1000, Used = Rings + 0x2000 };

        // As a front end knows it: of a split ring what memory says.
        public VirtRingPosition Position
        {
            get
            {
                if (packed) return PackedRing.Start;
                Assert.True(memory.TryReadAcquire(new(Rings + 0x2002), out ushort used));
                return new(used, used, used);
            }
        }

        public void Offer(int descriptors)
        {
            ulong buffer = Buffers + (ulong)(Offered % 64) * 64;
            if (packed ? _packed.Free < descriptors : _freeHeads.Count == 0) return;
            memory.TryWrite(new(buffer), Offered);
            if (packed)
            {
                PackedQueueDriver.Buffer[] buffers = descriptors == 1 ? [new(buffer, 4, false)] : [new(buffer, 4, false), new(buffer + 16, 1, true)];
                _numbers[_packed.Offer(buffers).Id] = Offered++;
                return;
            }

            int head = _freeHeads.Dequeue();
            Describe(head, buffer, 4, (ushort)(descriptors - 1), head + 1);
            Describe(head + 1, buffer + 16, 1, 2, 0);
            memory.TryWrite(new(Rings + 0x1004 + 2 * (ulong)(_next % Size)), (ushort)head);
            memory.TryWriteRelease(new(Rings + 0x1002), ++_next);
            _numbers[head] = Offered++;
        }

        public void Collect(HashSet<int> given)
        {
            while (TryTake(out int id))
            {
                if (!_numbers.Remove(id, out int number) || !given.Add(number)) Twice++;
                if (!packed) _freeHeads.Enqueue(id);
            }
        }

        private bool TryTake(out int id)
        {
            id = 0;
            if (packed)
            {
                if (_packed.Take() is not { } used) return false;
                id = used.Id;
                return true;
            }

            memory.TryReadAcquire(new(Rings + 0x2002), out ushort index);
            if (index == _seen) return false;
            memory.TryRead(new(Rings + 0x2004 + 8 * (ulong)(_seen++ % Size)), out id);
            return true;
        }

        private void Describe(int slot, ulong address, uint length, ushort flags, int next)
        {
            GuestAddress to = new(Rings + (ulong)slot * 16);
            memory.TryWrite(to, address);
            memory.TryWrite(to + 8, length);
            memory.TryWrite(to + 12, flags);
            memory.TryWrite(to + 14, (ushort)next);
        }
    }
}
