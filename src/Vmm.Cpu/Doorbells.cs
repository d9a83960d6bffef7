namespace Vmm.Cpu;

/// <summary>Addresses whose writes signal an eventfd instead of reaching the bus. Changed while vCPUs run; a look-up takes no lock.</summary>
/// <param name="signal">Signals a host eventfd.</param>
internal sealed class Doorbells(Action<int> signal)
{
    private readonly Lock _change = new();
    private volatile Bell[] _bells = [];

    public void Add(ulong gpa, uint? match, int sizeBytes, int eventFd)
    {
        lock (_change) _bells = [.. _bells, new Bell(gpa, match, sizeBytes, eventFd)];
    }

    public void Remove(ulong gpa, uint? match, int sizeBytes, int eventFd)
    {
        Bell gone = new(gpa, match, sizeBytes, eventFd);
        lock (_change) _bells = [.. _bells.Where(b => b != gone)];
    }

    public bool TryRing(ulong gpa, int sizeBytes, ulong value)
    {
        foreach (Bell bell in _bells)
        {
            if (bell.Gpa != gpa || (bell.SizeBytes != 0 && bell.SizeBytes != sizeBytes) || (bell.Match is { } match && match != (uint)value)) continue;
            signal(bell.EventFd);
            return true;
        }

        return false;
    }

    private sealed record Bell(ulong Gpa, uint? Match, int SizeBytes, int EventFd);
}
