using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A small virtio driver over PCI: finds the structures, negotiates, runs queues in guest memory, split or packed ones.</summary>
public sealed class VirtioDriver
{
    public const ulong Version1 = 1UL << 32, Indirect = 1UL << 28, EventIndex = 1UL << 29, Packed = 1UL << 34, InOrder = 1UL << 35, RingReset = 1UL << 40;
    public const byte Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 64;

    private const int BytesPerQueue = 0x10_0000, BufferOffset = 0x4_0000, IndirectOffset = 0x3_0000;

    private readonly GuestDriver _guest;
    private readonly GuestMemory _memory;
    private readonly ulong _heap;
    private readonly ulong _notify;
    private readonly uint _notifyStep;
    private ulong _features;

    /// <param name="guest">The CPU.</param>
    /// <param name="config">The function, with memory decoding on.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="heap">Where rings and buffers go: 1 MiB for each queue.</param>
    public VirtioDriver(GuestDriver guest, PciDriver config, GuestMemory memory, ulong heap)
    {
        (_guest, _memory, _heap, Config) = (guest, memory, heap, config);
        foreach ((byte id, int at) in config.Capabilities())
        {
            if (id != 9) continue;
            ulong address = config.BarAddress(config.Read8(at + 4)) + config.Read32(at + 8);
            switch (config.Read8(at + 3))
            {
                case 1: Common = address; break;
                case 2: (_notify, _notifyStep) = (address, config.Read32(at + 16)); break;
                case 3: Isr = address; break;
                case 4: Device = address; break;
                case 5: ConfigAccess = at; break;
            }
        }
    }

    public PciDriver Config { get; }

    public ulong Common { get; }

    public ulong Isr { get; }

    public ulong Device { get; }

    public int ConfigAccess { get; }

    /// <summary>Passes time between a kick and a look at the used ring.</summary>
    public Action Pump { get; set; } = () => { };

    public byte Status
    {
        get => (byte)_guest.Load(Common + 20, 1);
        set => _guest.Store(Common + 20, value, 1);
    }

    /// <summary>Whether it takes packed queues where it can. Those know requests only; the split ring's details are not there then.</summary>
    public bool UsesPacked { get; set; }

    /// <summary>What the device offers and this driver can do.</summary>
    public ulong Offered => OfferedByDevice & (UsesPacked ? ulong.MaxValue : ~Packed);

    public ulong OfferedByDevice
    {
        get
        {
            _guest.Store32(Common, 0);
            ulong low = _guest.Load32(Common + 4);
            _guest.Store32(Common, 1);
            return low | ((ulong)_guest.Load32(Common + 4) << 32);
        }
    }

    /// <summary>Reset to FEATURES_OK.</summary>
    /// <returns>Whether the device agrees.</returns>
    public bool Negotiate(ulong features)
    {
        Status = 0;
        Status = Acknowledge;
        Status = Acknowledge | Driver;
        _guest.Store32(Common + 8, 0);
        _guest.Store32(Common + 12, (uint)features);
        _guest.Store32(Common + 8, 1);
        _guest.Store32(Common + 12, (uint)(features >> 32));
        Status = Acknowledge | Driver | FeaturesOk;
        _features = features;
        return (Status & FeaturesOk) != 0;
    }

    /// <summary>Lays out and enables a queue.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="size">Its entries, 0 for all.</param>
    /// <param name="vector">Its MSI-X vector.</param>
    public Ring SetUp(int index, ushort size = 0, ushort vector = 0xffff)
    {
        _guest.Store(Common + 22, (ulong)index, 2);
        if (size != 0) _guest.Store(Common + 24, size, 2);
        size = (ushort)_guest.Load(Common + 24, 2);
        _guest.Store(Common + 26, vector, 2);
        ulong at = _heap + (ulong)index * BytesPerQueue;
        Assert(_memory.TryFill(new GuestAddress(at), BufferOffset, 0));
        Ring ring = new(this, index, size, at);
        _guest.Store(Common + 32, ring.Descriptors, 8);
        _guest.Store(Common + 40, ring.Available, 8);
        _guest.Store(Common + 48, ring.Used, 8);
        _guest.Store(Common + 28, 1, 2);
        return ring;
    }

    public void Start() => Status = Acknowledge | Driver | FeaturesOk | DriverOk;

    private static void Assert(bool fact)
    {
        if (!fact) throw new InvalidOperationException("the driver's memory is not there");
    }

    /// <summary>One queue.</summary>
    public sealed class Ring(VirtioDriver driver, int index, ushort size, ulong at)
    {
        // What was offered and not taken back, when the device has agreed to use it in this order.
        private readonly Queue<ushort>? _order = (driver._features & InOrder) == 0 ? null : new();
        private ushort _next;
        private ushort _seen;

        /// <summary>Set when the queue is a packed one, which begins where the descriptors of a split one would.</summary>
        public PackedQueueDriver? Packed { get; } = (driver._features & VirtioDriver.Packed) == 0 ? null
            : new PackedQueueDriver(driver._memory, at, at + 0x1_0000, at + 0x2_0000, size, (driver._features & EventIndex) != 0, (driver._features & InOrder) != 0);

        public int Index => index;

        public ushort Size => size;

        public ulong Descriptors => at;

        public ulong Available => at + 0x1_0000;

        public ulong Used => at + 0x2_0000;

        /// <summary>Where buffers may lie.</summary>
        public ulong Buffers => at + BufferOffset;

        public ushort UsedIndex => Get16(Used + 2);

        /// <summary>Whether the device has used something that was not taken yet.</summary>
        public bool HasUsed => Packed?.HasUsed ?? UsedIndex != _seen;

        /// <summary>Kicks that the device asked for.</summary>
        public int Kicks { get; private set; }

        /// <summary>Writes one descriptor.</summary>
        public void Describe(ulong table, int slot, ulong address, uint length, ushort flags, ushort next)
        {
            GuestAddress to = new(table + (ulong)slot * 16);
            Assert(driver._memory.TryWrite(to, address) && driver._memory.TryWrite(to + 8, length)
                && driver._memory.TryWrite(to + 12, flags) && driver._memory.TryWrite(to + 14, next));
        }

        /// <summary>Makes a chain available and kicks if the device wants it.</summary>
        public void Offer(ushort head)
        {
            Put16(Available + 4 + 2 * (ulong)(_next % size), head);
            _order?.Enqueue(head);
            _next++;
            Put16(Available + 2, _next);
            if ((driver._features & EventIndex) != 0 && Get16(Used + 4 + 8 * (ulong)size) != (ushort)(_next - 1)) return;
            Kick();
        }

        public void Kick()
        {
            Kicks++;
            driver._guest.Store(driver._notify + (ulong)index * driver._notifyStep, (ulong)index, 2);
        }

        /// <summary>Takes a used element: head and length. Null when there is none.</summary>
        public (uint Head, uint Length)? Take()
        {
            if (UsedIndex == _seen) return null;
            GuestAddress element = new(Used + 4 + 8 * (ulong)(_seen % size));
            Assert(driver._memory.TryRead(element, out uint head) & driver._memory.TryRead(element + 4, out uint length));
            Assert(_order is null || _order.Dequeue() == head);
            _seen++;
            // The next interrupt is wanted for the next element.
            if ((driver._features & EventIndex) != 0) Put16(Available + 4 + 2 * (ulong)size, _seen);
            return (head, length);
        }

        /// <summary>One request from begin to end.</summary>
        /// <returns>The writable bytes and the used length.</returns>
        public (byte[] Written, uint Length) Request(byte[][] readable, int[] writable, bool indirect = false, Action? pump = null)
        {
            pump ??= driver.Pump;
            if (Packed is { } packed) return Request(packed, readable, writable, indirect, pump);
            ulong buffer = Buffers;
            ulong table = indirect ? at + IndirectOffset : Descriptors;
            int slot = indirect ? 0 : 1, count = readable.Length + writable.Length, done = 0;
            ulong firstWritable = 0;
            foreach (byte[] bytes in readable)
            {
                Assert(driver._memory.TryCopyIn(new GuestAddress(buffer), bytes));
                Describe(table, slot, buffer, (uint)bytes.Length, (ushort)(++done < count ? 1 : 0), (ushort)++slot);
                buffer += (ulong)bytes.Length;
            }

            firstWritable = buffer;
            foreach (int bytes in writable)
            {
                Describe(table, slot, buffer, (uint)bytes, (ushort)(++done < count ? 3 : 2), (ushort)++slot);
                buffer += (ulong)bytes;
            }

            if (indirect) Describe(Descriptors, 1, table, (uint)count * 16, 4, 0);
            Offer(1);
            pump();
            (uint head, uint length) = Take() ?? throw new InvalidOperationException("the device did not answer");
            Assert(head == 1);
            byte[] written = new byte[writable.Sum()];
            Assert(driver._memory.TryCopyOut(new GuestAddress(firstWritable), written));
            return (written, length);
        }

        private (byte[] Written, uint Length) Request(PackedQueueDriver packed, byte[][] readable, int[] writable, bool indirect, Action pump)
        {
            ulong buffer = Buffers;
            List<PackedQueueDriver.Buffer> buffers = [];
            foreach (byte[] bytes in readable)
            {
                Assert(driver._memory.TryCopyIn(new GuestAddress(buffer), bytes));
                buffers.Add(new(buffer, (uint)bytes.Length, IsWritable: false));
                buffer += (ulong)bytes.Length;
            }

            ulong firstWritable = buffer;
            foreach (int bytes in writable)
            {
                buffers.Add(new(buffer, (uint)bytes, IsWritable: true));
                buffer += (ulong)bytes;
            }

            (ushort id, bool wantsKick) = packed.Offer(buffers.ToArray(), indirect ? at + IndirectOffset : 0);
            if (wantsKick) Kick();
            pump();
            (ushort used, uint length) = packed.Take() ?? throw new InvalidOperationException("the device did not answer");
            Assert(used == id);
            byte[] written = new byte[writable.Sum()];
            Assert(driver._memory.TryCopyOut(new GuestAddress(firstWritable), written));
            return (written, length);
        }

        private ushort Get16(ulong from)
        {
            Assert(driver._memory.TryRead(new GuestAddress(from), out ushort value));
            return value;
        }

        private void Put16(ulong to, ushort value) => Assert(driver._memory.TryWrite(new GuestAddress(to), value));
    }
}
