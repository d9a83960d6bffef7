using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>The front end's log of written pages, a bit for each (vhost-user, "Migration").</summary>
internal sealed class DirtyPageLog(SharedMapping memory) : IDirtyLog, IDisposable
{
    private const int PagesPerByte = 8;

    /// <inheritdoc/>
    public void PagesWritten(ulong first, ulong last)
    {
        // A log that is too short has no place for what lies behind it.
        ulong end = Math.Min(last, memory.SizeBytes * PagesPerByte - 1);
        for (ulong page = first; page <= end; page++) memory.SetBits(page / PagesPerByte, (byte)(1 << (int)(page % PagesPerByte)));
    }

    /// <inheritdoc/>
    public void Dispose() => memory.Dispose();
}
