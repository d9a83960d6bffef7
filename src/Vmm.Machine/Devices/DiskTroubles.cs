using Vmm.Core.Backends;
using Vmm.Storage;

namespace Vmm.Machine.Devices;

/// <summary>
/// Passes on what fails on a disk: each request, as long as that are few; of a flood one a second, with the number of those before that were left out.
/// Thread-safe.
/// </summary>
/// <param name="id">The disk.</param>
/// <param name="note">Takes the lines for people.</param>
/// <param name="trouble">Takes the failures; null where nobody wants to know.</param>
/// <param name="time">What the time is; null for the host's.</param>
internal sealed class DiskTroubles(string id, Action<string> note, Action<DeviceTrouble>? trouble, TimeProvider? time = null)
{
    /// <summary>So many may come at once.</summary>
    public const int Burst = 16;

    private readonly NoteRate _rate = new(Burst, time);

    /// <summary>A request has failed. Any thread.</summary>
    public void Report(BlockFailure failure)
    {
        if (!_rate.TryTake(out long untold)) return;
        string place = failure.Count == 0 ? "" : $" at sector {failure.Offset / IBlockBackend.SectorBytes} ({failure.Count} bytes)";
        string more = untold == 0 ? "" : $"; {untold} failures before this one are not shown";
        string line = $"{failure.Operation.ToString().ToLowerInvariant()}{place}: {failure.Message}{more}";
        note($"{id}: {line}");
        trouble?.Invoke(new DeviceTrouble(id, IsStorage: true, line, new DiskFailure(failure.Operation, failure.Offset, failure.Count, failure.ErrorNumber, untold)));
    }
}
