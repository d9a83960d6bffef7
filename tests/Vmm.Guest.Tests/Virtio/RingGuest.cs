using Iced.Intel;
using Vmm.Core.Backends;
using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Devices.Pci;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Transport;
using Vmm.Guest.Tests.Tiny;
using Vmm.Host;
using Vmm.Machine.Devices;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Virtio;

/// <summary>
/// A guest that drives a virtio queue itself, in ring 3, where KVM runs it natively everywhere: it offers requests in batches, kicks when
/// the device asks for it, and waits for the used ring or for an interrupt. The test sets the device up and describes the requests.
/// </summary>
internal sealed class RingGuest : IDisposable
{
    public const ushort QueueSize = 64;

    private const ulong Window = 0xc000_0000, Heap = 0x40_0000, Available = Heap + 0x1_0000, Used = Heap + 0x2_0000, Tables = Heap + 0x3_0000;
    private const int Slot = 2, DescriptorBytes = 16, TableBytes = 64;
    private const byte Vector = 0x40;
    private const ushort Next = 1, Write = 2, Indirect = 4, Avail = 0x80, UsedFlag = 0x8000;

    private readonly TinyGuest _guest;
    private readonly ThreadWorkers _workers = new();
    private readonly CountingDevice _device;
    private readonly VirtioPciTransport _transport;
    private readonly IDisposable? _registration;
    private readonly VirtioDriver.Ring _ring;
    private readonly bool _isPacked;
    private readonly ulong _doorbell;

    /// <param name="accelerator">The CPU.</param>
    /// <param name="device">The device; its first queue is driven.</param>
    /// <param name="isPacked">Packed or split.</param>
    /// <param name="withDoorbell">Whether kicks wake the worker by themselves (ioeventfd on KVM).</param>
    /// <param name="withRoutes">Whether interrupts go through an eventfd where the controller can (irqfd on KVM).</param>
    /// <param name="queue">The queue that is driven.</param>
    public RingGuest(string accelerator, Func<IWorkers, IVirtioDevice> device, bool isPacked, bool withDoorbell = true, bool withRoutes = true, int queue = 0)
    {
        _guest = new TinyGuest(accelerator);
        _isPacked = isPacked;
        GuestDriver driver = new() { Ports = _guest.Ports, Mmio = _guest.Bus };
        PciRootBus bus = new(driver.Ports, driver.Mmio, new PciWindows { Memory32 = new PciWindow(Window, 0x1000_0000) }, [new FakeLine(), new FakeLine(), new FakeLine(), new FakeLine()], _guest.Machine.Interrupts.Msi);
        new PciHostBridge(bus, new NoReset()).AttachTo(driver.Ports, driver.Mmio, null);
        _device = new CountingDevice(device(_workers));
        _transport = new VirtioPciTransport(_device, _guest.Memory, Problems.Add);
        if (withDoorbell) _registration = new VirtioTransports(_guest.Machine).Add(_transport);
        bus.Add(_transport.Function, Slot);
        bus.PlaceBars();
        PciDriver config = new(driver, Slot);
        config.Command(6);
        HasRoute = withRoutes && _transport.Msix.Descriptor(queue + 1) >= 0;
        ulong table = config.BarAddress(2);
        driver.Store(table + 16 * ((ulong)queue + 1), TinyGuest.ApicBase, 8);
        driver.Store(table + 16 * ((ulong)queue + 1) + 8, Vector, 8);
        foreach ((byte id, int at) in config.Capabilities())
        {
            if (id == PciCapabilityId.MsiX) config.Write16(at + 2, 0x8000);
        }

        VirtioDriver virtio = new(driver, config, _guest.Memory, Heap - (ulong)queue * 0x10_0000) { UsesPacked = isPacked };
        if (!virtio.Negotiate(virtio.Offered & ~VirtioDriver.EventIndex)) throw new InvalidOperationException("the device does not agree");
        _ring = virtio.SetUp(queue, QueueSize, (ushort)(queue + 1));
        virtio.Start();
        _doorbell = _transport.Doorbell(queue)!.Value.Address;
    }

    /// <summary>The queue's interrupt goes through an eventfd.</summary>
    public bool HasRoute { get; }

    /// <summary>What drivers of the ring did wrong, as the device sees it.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Kicks that came through the bus or as a call: none where the doorbell is bound.</summary>
    public int KicksCalled => _device.Kicks;

    /// <summary>Interrupts that the guest took.</summary>
    public ulong Interrupts => _guest.Get(TinyGuest.Data);

    public GuestMemory Memory => _guest.Memory;

    /// <summary>Where a test's buffers may lie.</summary>
    public static ulong Buffers => Heap + 0x10_0000;

    /// <summary>Says what request n of each batch is: its buffers, the readable ones first.</summary>
    public void Describe(int number, params ReadOnlySpan<PackedQueueDriver.Buffer> buffers)
    {
        ulong table = Tables + (ulong)(number * TableBytes);
        for (int i = 0; i < buffers.Length; i++)
        {
            int flags = (buffers[i].IsWritable ? Write : 0) | (i + 1 < buffers.Length && !_isPacked ? Next : 0);
            Descriptor(table + (ulong)(i * DescriptorBytes), buffers[i].Address, (uint)buffers[i].Length, (ushort)flags, (ushort)(_isPacked ? 0 : i + 1));
        }

        _count = buffers.Length;
    }

    private int _count;

    // Requests of all runs: where the ring stands.
    private int _total;

    /// <summary>Runs batches of requests.</summary>
    /// <param name="batches">How many.</param>
    /// <param name="depth">Requests in each, all described alike in number of buffers; divides the queue's size.</param>
    /// <param name="waitsForInterrupt">Waits for interrupts instead of looking at the ring.</param>
    public void Run(int batches, int depth, bool waitsForInterrupt = false)
    {
        if (QueueSize % depth != 0) throw new ArgumentException($"{depth} does not divide {QueueSize}", nameof(depth));
        // Descriptors that point to the tables, as many as the ring has places.
        for (int i = 0; i < QueueSize; i++)
        {
            ulong table = Tables + (ulong)(i % depth * TableBytes);
            Descriptor(_ring.Descriptors + (ulong)(i * DescriptorBytes), table, (uint)(_count * DescriptorBytes), _isPacked ? (ushort)0 : Indirect, 0);
            if (!_isPacked) _guest.Memory.TryWrite(new GuestAddress(Available + 4 + 2 * (ulong)i), (ushort)i);
        }

        _guest.Memory.TryWrite(new GuestAddress(Available + (_isPacked ? 2u : 0)), (ushort)(waitsForInterrupt ? 0 : 1));
        WriteHandler();
        _guest.Program(64, c =>
        {
            c.mov(rax, TinyGuest.ApicBase);
            c.mov(__dword_ptr[rax + 0xf0], 0x1ff);
            c.mov(rbp, _doorbell);
            c.mov(r12d, batches);
            c.mov(r14, TinyGuest.Data);
            c.xor(r13d, r13d);
            if (_isPacked) DrivePacked(c, depth, waitsForInterrupt);
            else DriveSplit(c, depth, waitsForInterrupt);
        });
        VcpuState state = TinyGuest.LongMode(3);
        state.Rflags |= 0x200;
        _guest.Put(TinyGuest.Data, 0);
        _guest.RunToDone(state);
        _total += batches * depth;
    }

    /// <summary>Makes requests one after the other and waits for the interrupt of each; kicks and, where there are routes, interrupts pass this process by.</summary>
    public void RunOneByOne(int requests, bool hasRoute)
    {
        Run(requests, 1, waitsForInterrupt: true);
        Assert.Empty(Problems);
        Assert.Equal((hasRoute, (ulong)requests, 0), (HasRoute, Interrupts, KicksCalled));
    }

    /// <summary>All went well, and kicks came as they should: through the doorbell, or as calls, one for each batch at most.</summary>
    public void AssertPolled(int batches, bool withDoorbell)
    {
        Assert.Empty(Problems);
        Assert.InRange(KicksCalled, withDoorbell ? 0 : 1, withDoorbell ? 0 : batches);
    }

    public void Dispose()
    {
        _registration?.Dispose();
        _device.Dispose();
        _transport.Dispose();
        _guest.Dispose();
    }

    /// <summary>Counts, ends the interrupt, returns: ring 0 code as short as can be.</summary>
    private void WriteHandler()
    {
        _guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.inc(__qword_ptr[TinyGuest.Data]);
            c.mov(r15, TinyGuest.ApicBase);
            c.mov(__dword_ptr[r15 + 0xb0], 0);
            c.iretq();
        });
        _guest.Gate64(Vector, TinyGuest.Stubs);
    }

    private void DriveSplit(Assembler c, int depth, bool waitsForInterrupt)
    {
        Label batch = c.CreateLabel(), noKick = c.CreateLabel(), poll = c.CreateLabel(), done = c.CreateLabel();
        c.mov(rbx, Available);
        c.mov(rdx, Used);
        c.mov(r9d, (ushort)_total);
        c.Label(ref batch);
        c.add(r9w, (short)depth);
        c.mov(__word_ptr[rbx + 2], r9w);
        c.mfence();
        c.test(__word_ptr[rdx], 1);
        c.jne(noKick);
        c.mov(__word_ptr[rbp], ax);
        c.Label(ref noKick);
        c.inc(r13);
        if (waitsForInterrupt) WaitForInterrupt(c);
        c.Label(ref poll);
        c.cmp(__word_ptr[rdx + 2], r9w);
        c.je(done);
        c.pause();
        c.jmp(poll);
        c.Label(ref done);
        c.dec(r12d);
        c.jne(batch);
    }

    private void DrivePacked(Assembler c, int depth, bool waitsForInterrupt)
    {
        Label batch = c.CreateLabel(), fill = c.CreateLabel(), noKick = c.CreateLabel(), poll = c.CreateLabel(), used = c.CreateLabel(), go = c.CreateLabel();
        c.mov(rbx, _ring.Descriptors);
        c.mov(rdx, Used);
        bool isOdd = (_total / QueueSize & 1) != 0;
        c.mov(r9d, _total % QueueSize * DescriptorBytes);
        // Length, id and flags of an available descriptor; what the flags of a used one are.
        c.mov(r10, (uint)(_count * DescriptorBytes) | ((ulong)(Indirect | (isOdd ? UsedFlag : Avail)) << 48));
        c.mov(r11d, isOdd ? 0 : UsedFlag | Avail);
        c.Label(ref batch);
        c.mov(rsi, r9);
        c.mov(ecx, depth);
        c.Label(ref fill);
        c.mov(__qword_ptr[rbx + rsi + 8], r10);
        c.add(rsi, DescriptorBytes);
        c.dec(ecx);
        c.jne(fill);
        c.mfence();
        c.test(__word_ptr[rdx + 2], 1);
        c.jne(noKick);
        c.mov(__word_ptr[rbp], ax);
        c.Label(ref noKick);
        c.inc(r13);
        if (waitsForInterrupt) WaitForInterrupt(c);
        c.mov(ecx, depth);
        c.mov(rsi, r9);
        c.Label(ref poll);
        c.movzx(eax, __word_ptr[rbx + rsi + 14]);
        c.and(eax, UsedFlag | Avail);
        c.cmp(eax, r11d);
        c.je(used);
        c.pause();
        c.jmp(poll);
        c.Label(ref used);
        c.add(rsi, DescriptorBytes);
        c.dec(ecx);
        c.jne(poll);
        c.mov(r9, rsi);
        c.cmp(r9d, QueueSize * DescriptorBytes);
        c.jne(go);
        c.xor(r9d, r9d);
        c.mov(rax, (ulong)(UsedFlag | Avail) << 48);
        c.xor(r10, rax);
        c.xor(r11d, UsedFlag | Avail);
        c.Label(ref go);
        c.dec(r12d);
        c.jne(batch);
    }

    /// <summary>Until there were as many interrupts as batches.</summary>
    private static void WaitForInterrupt(Assembler c)
    {
        Label wait = c.CreateLabel(), come = c.CreateLabel();
        c.Label(ref wait);
        c.cmp(__qword_ptr[r14], r13);
        c.jae(come);
        c.pause();
        c.jmp(wait);
        c.Label(ref come);
        c.nop(); // what follows may have a label of its own
    }

    private void Descriptor(ulong at, ulong address, uint length, ushort flags, ushort next)
    {
        GuestAddress to = new(at);
        bool isWritten = _guest.Memory.TryWrite(to, address) && _guest.Memory.TryWrite(to + 8, length)
            && _guest.Memory.TryWrite(to + 12, _isPacked ? (ushort)0 : flags) && _guest.Memory.TryWrite(to + 14, _isPacked ? flags : next);
        if (!isWritten) throw new InvalidOperationException("the guest's memory is not there");
    }

    private sealed class NoReset : IBusDevice
    {
        public BusResult Read(in BusAccess access, Span<byte> data) => BusResult.NoRegister;

        public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data) => BusResult.NoRegister;
    }

    /// <summary>A device whose kicks are counted.</summary>
    private sealed class CountingDevice(IVirtioDevice device) : IVirtioDevice, IDisposable
    {
        private int _kicks;

        public int Kicks => Volatile.Read(ref _kicks);

        public string Name => device.Name;

        public ushort DeviceId => device.DeviceId;

        public uint PciClass => device.PciClass;

        public ulong OfferedFeatures => device.OfferedFeatures;

        public ReadOnlySpan<ushort> QueueSizes => device.QueueSizes;

        public uint ConfigBytes => device.ConfigBytes;

        public bool Accepts(ulong features) => device.Accepts(features);

        public void ReadConfig(uint offset, Span<byte> data) => device.ReadConfig(offset, data);

        public void WriteConfig(uint offset, ReadOnlySpan<byte> data) => device.WriteConfig(offset, data);

        public void Activate(VirtioActivation activation) => device.Activate(activation);

        public void OnKick(int queue)
        {
            Interlocked.Increment(ref _kicks);
            device.OnKick(queue);
        }

        public int KickDescriptor(int queue) => device.KickDescriptor(queue);

        public void Reset() => device.Reset();

        public void Dispose() => (device as IDisposable)?.Dispose();
    }
}
