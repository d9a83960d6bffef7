namespace Vmm.Machine.Devices;

/// <summary>Lines that a guest can cause: the first few of a device's life, then none.</summary>
/// <param name="id">The device's id, which begins each line.</param>
/// <param name="note">Takes the lines.</param>
internal sealed class BoundedNotes(string id, Action<string> note)
{
    private const int Most = 8;

    private int _count;

    /// <summary>Passes a line on. Any thread.</summary>
    public void Write(string line)
    {
        int count = Interlocked.Increment(ref _count);
        if (count <= Most) note($"{id}: {line}{(count == Most ? " (more of these are not shown)" : "")}");
        else Volatile.Write(ref _count, Most);
    }
}
