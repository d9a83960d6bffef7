using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Tests;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Machine.Served;
using Vmm.TestKit;

namespace Vmm.Machine.Tests.Served;

/// <summary>A machine's way to its device model, which is a process of its own, and a driver for each device in the place of a guest.</summary>
internal sealed class ServedBench : IDisposable
{
    public const int SectorBytes = 512;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly EpollLoop _loop = new("bench", _ => { });
    private readonly Dictionary<string, Plugged> _plugged = [];

    public ServedBench(params DeviceConfig[] devices)
    {
        MachineConfig machine = new MachineConfig { Name = "bench", DeviceModel = true, Boot = new BootConfig { Kernel = "/k" } }.WithDevices(devices);
        Host = new MachineHost(_loop, Notes.Enqueue, () => { }) { Executable = Repository.Vmm, Trouble = Troubles.Enqueue };
        Link = new DeviceModelLink(machine, Host);
        Link.Prepare(machine.Devices);
    }

    public ConcurrentQueue<string> Notes { get; } = new();

    public ConcurrentQueue<DeviceTrouble> Troubles { get; } = new();

    public MachineHost Host { get; }

    public DeviceModelLink Link { get; }

    /// <summary>The folder for files of the test.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("vmm-served").FullName;

    /// <summary>An image of a MiB in the folder.</summary>
    public static string Image(string folder, string name = "disk.img")
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, new byte[1 << 20]);
        return path;
    }

    public static DiskConfig Disk(string path, string more = "", int index = 0)
    {
        List<ConfigError> errors = [];
        DiskConfig disk = DiskConfig.Parse(index, $"path={path},format=raw,queues=1{more}", errors);
        Assert.Empty(errors);
        return disk;
    }

    public static NetConfig Net(string words)
    {
        List<ConfigError> errors = [];
        NetConfig net = NetConfig.Parse(0, words, errors);
        Assert.Empty(errors);
        return net;
    }

    /// <summary>Has a device served and starts a driver for it.</summary>
    public VirtioDriver.Ring[] Plug(DeviceConfig config)
    {
        Plugged plugged = new(Link.Open(config));
        _plugged.Add(config.Id, plugged);
        return plugged.Bench.Start();
    }

    public T Attachment<T>(DeviceConfig config) => (T)_plugged[config.Id].Attachment;

    public VirtioBench Driver(DeviceConfig config) => _plugged[config.Id].Bench;

    public IRemoteState? State(DeviceConfig config) => _plugged[config.Id].State;

    public DiskReport Report(DiskConfig config)
    {
        Link.Look();
        return Attachment<IDiskAttachment>(config).Report(config, 1, false);
    }

    public NetReport Report(NetConfig config)
    {
        Link.Look();
        return Attachment<INetAttachment>(config).Report(config, 1, false);
    }

    public void Unplug(DeviceConfig config)
    {
        _plugged.Remove(config.Id, out Plugged? plugged);
        plugged!.Dispose();
    }

    /// <summary>As kill -9 of the device model; returns when there is another one.</summary>
    public void Kill()
    {
        DeviceModelInfo before = Link.Info!;
        using (Process process = Process.GetProcessById(before.ProcessId)) process.Kill();
        WaitFor(() => Link.Info is { } now && now.Starts == before.Starts + 1, "the device model does not come again");
    }

    public static void WaitFor(Func<bool> fact, string what) => Assert.True(SpinWait.SpinUntil(fact, Patience), what);

    public static void Write(VirtioDriver.Ring ring, ulong sector, byte fill)
    {
        byte[] data = new byte[SectorBytes];
        Array.Fill(data, fill);
        Assert.Equal(0, Request(ring, [Header(1, sector), data], [1])[^1]);
    }

    public static byte Read(VirtioDriver.Ring ring, ulong sector)
    {
        byte[] written = Request(ring, [Header(0, sector)], [SectorBytes, 1]);
        Assert.Equal(0, written[^1]);
        return written[0];
    }

    public static byte[] Request(VirtioDriver.Ring ring, byte[][] readable, int[] writable)
        => ring.Request(readable, writable, pump: () => WaitFor(() => ring.HasUsed, "the back end does not answer")).Written;

    public void Dispose()
    {
        foreach (Plugged plugged in _plugged.Values) plugged.Dispose();
        Link.Dispose();
        _loop.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    /// <summary>A device in a life of the machine.</summary>
    private sealed class Plugged : IDeviceRoom, IDisposable
    {
        private readonly MappedMemory _ram = new(VirtioBench.MemoryBytes);
        private readonly IVirtioDevice _device;

        public Plugged(IAttachment attachment)
        {
            Attachment = attachment;
            Memory = new GuestMemory(_ram.RamRegions());
            _device = attachment.Create(this);
            Bench = new VirtioBench(_ => _device, Memory);
            Bench.Driver.Pump = () => { };
        }

        public IAttachment Attachment { get; }

        public VirtioBench Bench { get; }

        public IRemoteState? State => (_device as VhostUserDevice)?.State;

        public GuestMemory Memory { get; }

        public IClock Clock { get; } = new FakeClock();

        public IWorkers Workers { get; } = new ThreadWorkers();

        public void Dispose()
        {
            (_device as IDisposable)?.Dispose();
            Attachment.Dispose();
            Bench.Dispose();
            _ram.Dispose();
        }
    }
}
