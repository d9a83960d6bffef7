using Vmm.Machine.Devices;

namespace Vmm.Machine.Tests.Devices;

public class BoundedNotesTests
{
    [Fact]
    public void Write_MoreThanAFewLines_SaysSoAndIsQuietThen()
    {
        List<string> lines = [];
        List<(string Device, string Why)> troubles = [];
        BoundedNotes notes = new("disk0", lines.Add, (device, why) => troubles.Add((device, why)));

        for (int i = 0; i < 1000; i++) notes.Write($"queue {i} is broken");

        Assert.Equal(8, lines.Count);
        Assert.Equal("disk0: queue 0 is broken", lines[0]);
        Assert.EndsWith("(more of these are not shown)", lines[^1], StringComparison.Ordinal);
        Assert.Equal(8, troubles.Count);
        Assert.Equal(("disk0", "queue 7 is broken"), troubles[^1]);
    }
}
