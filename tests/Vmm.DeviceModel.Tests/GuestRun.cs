using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.Devices.Virtio.Tests;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.DeviceModel.Tests;

/// <summary>A guest that uses a disk behind a socket.</summary>
internal sealed class GuestRun : IDisposable
{
    private readonly EpollLoop _loop = new("front", _ => { });
    private readonly MappedMemory _ram = new(VirtioBench.MemoryBytes);
    private readonly VhostUserFrontEnd _frontEnd;
    private readonly VhostUserDevice _device;
    private readonly VirtioBench _bench;
    private readonly VirtioDriver.Ring _ring;

    public GuestRun(string path)
    {
        _frontEnd = new VhostUserFrontEnd(() => UnixChannel.Connect(path), new VhostUserOptions { Kind = VhostUserKind.Block, QueueSize = 64 }, _loop, TimeSpan.FromSeconds(5), _ => { });
        GuestMemory memory = new(_ram.RamRegions());
        _device = _frontEnd.CreateDevice(memory);
        _bench = new VirtioBench(_ => _device, memory);
        _ring = _bench.Start()[0];
    }

    /// <summary>Reads a sector; gives the status.</summary>
    public byte Read(ulong sector)
        => DeviceModelBench.Request(_ring, [DeviceModelBench.Header(DeviceModelBench.In, sector)], [DeviceModelBench.SectorBytes, 1]).Written[^1];

    public void Dispose()
    {
        _device.Dispose();
        _frontEnd.Dispose();
        _loop.Dispose();
        _bench.Dispose();
        _ram.Dispose();
    }
}
