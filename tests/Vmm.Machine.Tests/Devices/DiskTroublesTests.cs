using Vmm.Core.Backends;
using Vmm.Machine.Devices;
using Vmm.Storage;

namespace Vmm.Machine.Tests.Devices;

public class DiskTroublesTests
{
    private readonly List<string> _notes = [];
    private readonly List<DeviceTrouble> _troubles = [];
    private readonly SetTime _time = new();

    [Fact]
    public void Report_ARequest_SaysWhichAndWhy()
    {
        New().Report(new BlockFailure(BlockOperation.Write, 1536, 4096, BlockResult.IoError, 5, "writing a.img: Input/output error"));

        Assert.Equal(["xvda: write at sector 3 (4096 bytes): writing a.img: Input/output error"], _notes);
        DeviceTrouble trouble = Assert.Single(_troubles);
        Assert.Equal((true, "xvda", new DiskFailure(BlockOperation.Write, 1536, 4096, 5, 0)), (trouble.IsStorage, trouble.Device, trouble.Failure));
    }

    [Fact]
    public void Report_AFlush_HasNoPlace()
    {
        New().Report(new BlockFailure(BlockOperation.Flush, 0, 0, BlockResult.NoSpace, 28, "flushing a.img: No space left on device"));

        Assert.Equal(["xvda: flush: flushing a.img: No space left on device"], _notes);
    }

    [Fact]
    public void Report_AFlood_IsOneASecondWithTheNumberOfTheRest()
    {
        DiskTroubles troubles = New();
        BlockFailure failure = new(BlockOperation.Read, 0, 512, BlockResult.IoError, 5, "no");

        for (int i = 0; i < 1000; i++) troubles.Report(failure);
        Assert.Equal(DiskTroubles.Burst, _troubles.Count);
        _time.Now += 2 * _time.TimestampFrequency;
        for (int i = 0; i < 1000; i++) troubles.Report(failure);

        Assert.Equal(DiskTroubles.Burst + 2, _troubles.Count);
        Assert.Equal([1000 - DiskTroubles.Burst, 0], _troubles.TakeLast(2).Select(t => t.Failure!.Untold));
        Assert.EndsWith("; 984 failures before this one are not shown", _notes[^2], StringComparison.Ordinal);
        _time.Now += 3600 * _time.TimestampFrequency;
        for (int i = 0; i < 1000; i++) troubles.Report(failure);
        Assert.Equal(2 * DiskTroubles.Burst + 2, _troubles.Count);
    }

    private DiskTroubles New() => new("xvda", _notes.Add, _troubles.Add, _time);

    private sealed class SetTime : TimeProvider
    {
        public long Now { get; set; } = 1;

        public override long GetTimestamp() => Now;
    }
}
