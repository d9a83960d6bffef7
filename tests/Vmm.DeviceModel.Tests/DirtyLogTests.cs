using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio.Block;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.DeviceModel.Tests;

/// <summary>Written pages in the front end's log, and memory that changes under running rings, message by message.</summary>
public sealed class DirtyLogTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, Descriptors = 0x1000, Available = 0x3000, Used = 0x4000, Buffer = 0x20000;

    private readonly EpollLoop _loop = new("loop", _ => { });
    private readonly MemoryDisk _disk = new(1 << 20);
    private readonly VirtioBlock _device;
    private readonly VhostUserServer _server;
    private readonly VhostUserConnection _connection;
    private readonly MappedMemory _ram = new(4 << 20);
    private readonly GuestMemory _memory;
    private readonly EventFd _kick = new(), _call = new(), _error = new();
    private ushort _next;

    public DirtyLogTests()
    {
        _memory = new GuestMemory(_ram.RamRegions());
        _device = new VirtioBlock(_disk, new VirtioBlockOptions { QueueSize = 64 }, new ThreadWorkers());
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
        _server = new VhostUserServer(_device, theirs, _loop, _ => { });
        _connection = new VhostUserConnection(ours);
        _connection.Negotiate();
    }

    public void Dispose()
    {
        _connection.Dispose();
        _server.Dispose();
        _device.Dispose();
        _loop.Dispose();
        _kick.Dispose();
        _call.Dispose();
        _error.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Log_WhileItIsOn_HasEveryPageThatTheDeviceWrites()
    {
        Begin(0);
        using SharedMapping log = SharedMapping.Create("log", 4096, out LinuxFile file);
        using (file) _connection.SetLog(file, 4096);
        Read(sectors: 24);
        Assert.Empty(Dirty(log));
        _connection.SetFeatures(Version1 | VhostUserFeatures.VHOST_F_LOG_ALL);
        Read(sectors: 24);
        // Three pages of data, the page of the status byte, the used ring.
        Assert.Equal([(int)(Used >> 12), 0x20, 0x21, 0x22, 0x30], Dirty(log));
        _connection.SetFeatures(Version1);
        log.Write<ulong>(0, 0);
        Read(sectors: 1);
        Assert.Empty(Dirty(log));
    }

    [Fact]
    public void Memory_AddedAndRemovedUnderARunningRing_TheRingGoesOn()
    {
        MemoryRegionDescription all = VhostUserConnection.Describe(_memory.Regions[0]);
        MemoryRegionDescription rings = all with { SizeBytes = 0x20000 };
        MemoryRegionDescription buffers = new(Buffer, 0x20000, all.UserAddress + Buffer, Buffer);
        _connection.SetFeatures(Version1);
        _connection.AddMemory(rings, _ram.File.Fd);
        _connection.StartRing(0, Setup, 0, _kick.Fd, _call.Fd, _error.Fd);
        for (int i = 0; i < 10; i++)
        {
            _connection.AddMemory(buffers, _ram.File.Fd);
            Assert.Equal(0, Read(sectors: 2));
            _connection.RemoveMemory(buffers);
        }

        // What points nowhere breaks the ring, and the front end hears it.
        Offer(2);
        DeviceModelBench.WaitFor(() => _error.Drain() != 0, "no error");
        Assert.Equal(10u, _connection.StopRing(0));
    }

    [Fact]
    public void Status_AndReset_AreKeptAndForgotten()
    {
        Begin(0);
        Read(sectors: 1);
        _connection.SetStatus(15);
        Assert.Equal(15, _connection.GetStatus());
        Assert.Equal(1u, _connection.StopRing(0));
        Assert.Throws<VhostUserException>(() => _connection.SetFeatures(1UL << 39));
        _connection.Reset();
        Assert.Equal(0, _connection.GetStatus());
    }

    [Fact]
    public void Features_ThatChangeWhileARingRuns_AreRefused()
    {
        Begin(0);
        Assert.Throws<VhostUserException>(() => _connection.SetFeatures(Version1 | (1UL << 29)));
    }

    private static Devices.Virtio.Queue.VirtQueueSetup Setup => new() { Size = 64, Descriptors = Descriptors, Available = Available, Used = Used };

    private void Begin(ulong features)
    {
        _connection.SetFeatures(Version1 | features);
        _connection.SetMemory(_memory.Regions);
        _connection.StartRing(0, Setup, 0, _kick.Fd, _call.Fd, _error.Fd);
    }

    private byte Read(int sectors)
    {
        ushort before = UsedIndex;
        Offer(sectors);
        DeviceModelBench.WaitFor(() => UsedIndex != before, "no answer");
        Assert.True(_memory.TryRead(new GuestAddress(Buffer + 0x10000), out byte status));
        return status;
    }

    private void Offer(int sectors)
    {
        Assert.True(_memory.TryCopyIn(new GuestAddress(Buffer + 0x18000), DeviceModelBench.Header(DeviceModelBench.In, 0)));
        Describe(0, Buffer + 0x18000, 16, 1);
        Describe(1, Buffer, (uint)sectors * 512, 3);
        Describe(2, Buffer + 0x10000, 1, 2);
        _memory.TryWrite(new GuestAddress(Available + 4 + 2 * (ulong)(_next % 64)), (ushort)0);
        _memory.TryWriteRelease(new GuestAddress(Available + 2), ++_next);
        _kick.Signal();
    }

    private void Describe(int slot, ulong address, uint length, ushort flags)
    {
        GuestAddress to = new(Descriptors + (ulong)slot * 16);
        _memory.TryWrite(to, address);
        _memory.TryWrite(to + 8, length);
        _memory.TryWrite(to + 12, flags);
        _memory.TryWrite(to + 14, (ushort)(slot + 1));
    }

    private ushort UsedIndex => _memory.TryReadAcquire(new GuestAddress(Used + 2), out ushort index) ? index : throw new InvalidOperationException();

    private static List<int> Dirty(SharedMapping log)
        => [.. Enumerable.Range(0, 1024).Where(page => (log.Read<byte>((ulong)page / 8) & (1 << page % 8)) != 0)];
}
