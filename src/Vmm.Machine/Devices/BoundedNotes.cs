namespace Vmm.Machine.Devices;

/// <summary>Lines that a guest can cause: the first few of a device's life, then none.</summary>
/// <param name="id">The device's id, which begins each line.</param>
/// <param name="note">Takes the lines.</param>
/// <param name="trouble">Takes the device's id and the line where the device is broken by what the line says.</param>
internal sealed class BoundedNotes(string id, Action<string> note, Action<string, string>? trouble = null)
{
    private const int Most = 8;

    private int _count;

    /// <summary>Passes a line on. Any thread.</summary>
    public void Write(string line)
    {
        int count = Interlocked.Increment(ref _count);
        if (count > Most)
        {
            Volatile.Write(ref _count, Most);
            return;
        }

        note($"{id}: {line}{(count == Most ? " (more of these are not shown)" : "")}");
        trouble?.Invoke(id, line);
    }
}
