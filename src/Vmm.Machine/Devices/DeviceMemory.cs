using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The parts of guest memory that devices show: files behind ranges above all RAM. Their places are found once and stay.</summary>
internal sealed class DeviceMemory : IDisposable
{
    // Linux takes memory in by sections of 128 MiB; more lets the host use its largest pages.
    private const ulong Alignment = 1UL << 30;

    private readonly Dictionary<string, (PmemFile File, GuestAddress Start)> _files = [];
    private readonly List<GuestMemoryRegion> _regions = [];

    /// <exception cref="LinuxException">A file cannot be used.</exception>
    public DeviceMemory(MachineConfig config, Action<string> note)
    {
        ulong end = GuestMemoryLayout.Of(config.MemoryBytes).Max(piece => piece.Start.Value + piece.SizeBytes);
        end = Math.Max(end, GuestMemoryLayout.HighRamStart);
        try
        {
            foreach (PmemConfig pmem in config.Pmems)
            {
                GuestAddress start = new((end + Alignment - 1) & ~(Alignment - 1));
                PmemFile file = PmemFile.Open(pmem.Path, pmem.SizeBytes, pmem.ReadOnly, line => note($"{pmem.Id}: {line}"));
                _files.Add(pmem.Id, (file, start));
                _regions.Add(file.Region(start));
                end = start.Value + file.SizeBytes;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What belongs to guest memory beside RAM.</summary>
    public IReadOnlyList<GuestMemoryRegion> Regions => _regions;

    /// <summary>The device's end of a range that was there from the beginning.</summary>
    /// <exception cref="DeviceException">It was not.</exception>
    public PmemAttachment Attach(PmemConfig config) => _files.TryGetValue(config.Id, out (PmemFile File, GuestAddress Start) found)
        ? new PmemAttachment(config.Id, found.File, found.Start)
        : throw new DeviceException("persistent memory cannot be added to a machine that is built");

    public void Dispose()
    {
        foreach ((PmemFile file, _) in _files.Values) file.Dispose();
        _files.Clear();
    }
}
