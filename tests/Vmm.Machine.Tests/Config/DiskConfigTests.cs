using Vmm.Core.Time;
using Vmm.Machine.Config;
using Vmm.Storage.Engines;

namespace Vmm.Machine.Tests.Config;

public class DiskConfigTests
{
    [Fact]
    public void Parse_EveryKey_IsKept()
    {
        List<ConfigError> errors = [];

        DiskConfig disk = DiskConfig.Parse(3, "path=/x.qcow2,format=qcow2,readonly,backing=on,serial=s1,queues=4,queue-size=64,id=root,cache=none,discard=ignore,aio=threads", errors);

        Assert.Empty(errors);
        DiskConfig expected = new()
        {
            Id = "root",
            Path = "/x.qcow2",
            Format = "qcow2",
            ReadOnly = true,
            AllowBacking = true,
            Serial = "s1",
            Queues = 4,
            QueueSize = 64,
            Cache = DiskCache.None,
            Discard = false,
            Aio = AioMode.Threads,
        };
        Assert.Equal(expected, disk);
    }

    [Fact]
    public void Parse_WordThatIsNoChoice_NamesTheChoices()
    {
        List<ConfigError> errors = [];

        DiskConfig.Parse(0, "path=/x,format=raw,cache=directsync,discard=maybe,aio=native", errors);

        Assert.Equal(["disk[0].cache", "disk[0].discard", "disk[0].aio"], errors.Select(e => e.Path));
        Assert.Contains("writeback, writethrough, none, unsafe", errors[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_Limits_AreKept()
    {
        List<ConfigError> errors = [];

        DiskConfig disk = DiskConfig.Parse(0, "path=/x,format=raw,bps=10M,bps-burst=1M,iops=500,iops-burst=50", errors);

        Assert.Empty(errors);
        Assert.Equal(new RateLimits(new TokenRate(10 << 20, 1 << 20), new TokenRate(500, 50)), disk.Limits);
    }

    [Fact]
    public void Validate_BadLimits_FindsEveryMistake()
    {
        MachineConfig config = new()
        {
            Boot = new BootConfig { Kernel = "k" },
            Disks = [new() { Id = "a", Path = "x", Format = "raw", Limits = new(new TokenRate(ulong.MaxValue, ulong.MaxValue), new TokenRate(0, 1)) }],
        };

        Assert.Equal(["disk[0].bps", "disk[0].bps-burst", "disk[0].iops-burst"], ConfigValidator.Validate(config).Select(e => e.Path));
    }

    [Fact]
    public void Parse_WithoutFormat_SaysWhyItIsNotGuessed()
    {
        List<ConfigError> errors = [];

        DiskConfig.Parse(0, "path=/x", errors);

        Assert.Contains("it is not guessed", Assert.Single(errors).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_BadDisks_FindsEveryMistake()
    {
        MachineConfig config = new()
        {
            Boot = new BootConfig { Kernel = "k" },
            Disks =
            [
                new() { Id = "a", Path = "x", Format = "qcow3" },
                new() { Id = "a", Path = "x", Format = "raw", Serial = "a serial number that is too long", QueueSize = 48 },
                new() { Id = "../a", Path = "", Format = "raw", Queues = 65 },
            ],
        };

        string[] paths = [.. ConfigValidator.Validate(config).Select(e => e.Path)];

        Assert.Equal(["disk[0].format", "disk[1].id", "disk[1].queue-size", "disk[1].serial", "disk[2].id", "disk[2].path", "disk[2].queues"], paths);
    }

    [Fact]
    public void Validate_MoreDevicesThanPlaces_IsRefused()
    {
        MachineConfig config = new()
        {
            Boot = new BootConfig { Kernel = "k" },
            Rngs = [.. Enumerable.Range(0, 32).Select(i => new RngConfig { Id = $"rng{i}" })],
        };

        Assert.Equal("devices", Assert.Single(ConfigValidator.Validate(config)).Path);
    }
}
