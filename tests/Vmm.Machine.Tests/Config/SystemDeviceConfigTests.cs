using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class SystemDeviceConfigTests
{
    [Fact]
    public void Vsock_EveryKey_IsKept()
    {
        List<ConfigError> errors = [];

        VsockConfig vsock = VsockConfig.Parse(0, "cid=3,path=/run/v.sock,id=talk", errors);

        Assert.Empty(errors);
        Assert.Equal(new VsockConfig { Id = "talk", Cid = 3, Path = "/run/v.sock" }, vsock);
    }

    [Theory]
    [InlineData("path=/v", "vsock[0].cid")]
    [InlineData("cid=3", "vsock[0].path")]
    [InlineData("cid=three,path=/v", "vsock[0].cid")]
    [InlineData("cid=3,path=/v,port=4", "vsock[0]")]
    public void Vsock_Mistake_IsNamed(string text, string path)
    {
        List<ConfigError> errors = [];

        VsockConfig.Parse(0, text, errors);

        Assert.Equal(path, Assert.Single(errors).Path);
    }

    [Fact]
    public void Balloon_EveryKey_IsKept()
    {
        List<ConfigError> errors = [];

        BalloonConfig balloon = BalloonConfig.Parse(0, "target=256M,stats=2,reporting,deflate-on-oom=on", errors);

        Assert.Empty(errors);
        Assert.Equal(new BalloonConfig { Id = "balloon0", TargetBytes = 256 << 20, StatisticsSeconds = 2, Reporting = true, DeflateOnOom = true }, balloon);
        Assert.Equal(new BalloonConfig { Id = "balloon0" }, BalloonConfig.Parse(0, "", errors));
    }

    [Fact]
    public void Validate_BadSystemDevices_FindsEveryMistake()
    {
        MachineConfig config = new()
        {
            Boot = new BootConfig { Kernel = "k" },
            Vsocks =
            [
                new() { Id = "a", Cid = 2, Path = "/v" },
                new() { Id = "b", Cid = uint.MaxValue, Path = new string('p', 97) },
            ],
            Balloons = [new() { Id = "c", TargetBytes = ulong.MaxValue, StatisticsSeconds = -1 }],
        };

        string[] expected = ["vsock[0].cid", "vsock[1].cid", "vsock[1].path", "balloon[0].target", "balloon[0].stats", "vsock[1]"];
        Assert.Equal(expected, ConfigValidator.Validate(config).Select(e => e.Path));
    }
}
