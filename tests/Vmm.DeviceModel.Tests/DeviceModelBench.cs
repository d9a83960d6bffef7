using System.Buffers.Binary;
using System.Collections.Concurrent;
using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Tests;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.DeviceModel.Tests;

/// <summary>A driver, our front end, a connection, our back end, and a disk in memory behind it. The back end can die.</summary>
internal sealed class DeviceModelBench : IDisposable
{
    public const uint In = 0, Out = 1;
    public const int DiskBytes = 4 << 20, SectorBytes = 512;

    private readonly MappedMemory _ram = new(VirtioBench.MemoryBytes);
    private readonly EpollLoop _front, _back;
    private readonly Func<ThreadWorkers, IVirtioDevice> _make;
    private readonly Func<IVirtioDevice, IServedState>? _state;
    private readonly List<IDisposable> _dead = [];
    private readonly Lock _gate = new();
    private VhostUserServer? _server;
    private IVirtioDevice? _device;
    private bool _isDown;

    public DeviceModelBench(int queues = 2, Func<ThreadWorkers, IVirtioDevice>? make = null, VhostUserKind kind = VhostUserKind.Block,
        Func<IVirtioDevice, IServedState>? state = null)
    {
        _front = new EpollLoop("front", Notes.Enqueue);
        _back = new EpollLoop("back", Notes.Enqueue);
        _state = state;
        _make = make ?? (workers => new VirtioBlock(Disk, new VirtioBlockOptions { Serial = "remote", QueueCount = queues, QueueSize = 64 }, workers));
        Memory = new GuestMemory(_ram.RamRegions());
        FrontEnd = new VhostUserFrontEnd(Connect, new VhostUserOptions { Kind = kind, MostDefaultQueues = queues, QueueSize = 64 }, _front, TimeSpan.FromSeconds(5), Notes.Enqueue);
        Remote = FrontEnd.CreateDevice(Memory);
        Bench = new VirtioBench(_ => Remote, Memory);
        Bench.Driver.Pump = () => { };
    }

    public MemoryDisk Disk { get; } = new(DiskBytes);

    public ConcurrentQueue<string> Notes { get; } = new();

    public GuestMemory Memory { get; }

    public VhostUserFrontEnd FrontEnd { get; }

    public VhostUserDevice Remote { get; }

    public VirtioBench Bench { get; }

    public VhostUserServer Server => Volatile.Read(ref _server)!;

    /// <summary>Negotiates and starts every queue.</summary>
    public VirtioDriver.Ring[] Start(bool packed = false, ulong without = 0)
    {
        Bench.Driver.UsesPacked = packed;
        return Bench.Start(without);
    }

    /// <summary>As kill -9: nothing of what is under way comes back, and the connection breaks.</summary>
    public void Kill(bool comesBack = true)
    {
        lock (_gate)
        {
            _isDown = !comesBack;
            VhostUserServer server = _server!;
            foreach (ServedRing ring in server.Rings) ring.Queue.Stop();
            _dead.Add(_device as IDisposable ?? server);
            _server = null;
            // Those that are under way end behind its back, as they may in the kernel.
            ThreadPool.UnsafeQueueUserWorkItem(_ => server.Dispose(), null);
        }
    }

    public void Revive() => _isDown = false;

    public static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    public static void WaitFor(Func<bool> fact, string what) => Assert.True(SpinWait.SpinUntil(fact, TimeSpan.FromSeconds(20)), what);

    /// <summary>One request, waited for.</summary>
    public static (byte[] Written, uint Length) Request(VirtioDriver.Ring ring, byte[][] readable, int[] writable, bool indirect = false)
        => ring.Request(readable, writable, indirect, () => WaitFor(() => ring.HasUsed, "the back end does not answer"));

    public void Dispose()
    {
        Revive();
        Remote.Dispose();
        FrontEnd.Dispose();
        _server?.Dispose();
        (_device as IDisposable)?.Dispose();
        foreach (IDisposable device in _dead) device.Dispose();
        _front.Dispose();
        _back.Dispose();
        Bench.Dispose();
        _ram.Dispose();
    }

    private UnixChannel? Connect()
    {
        lock (_gate)
        {
            if (_isDown) return null;
            (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
            _device = _make(new ThreadWorkers());
            _server = new VhostUserServer(_device, theirs, _back, Notes.Enqueue, state: _state?.Invoke(_device));
            return ours;
        }
    }
}
