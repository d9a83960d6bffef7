using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class ConsoleConfigTests
{
    private static readonly MachineConfig Good = new() { Boot = new BootConfig { Kernel = "k" } };

    [Fact]
    public void Parse_EveryKey_IsKept()
    {
        List<ConfigError> errors = [];

        ConsolePortConfig port = ConsolePortConfig.Parse(0, "unix:/run/a,,b,name=org.example.0,log=/l,log-max=1M", errors);

        Assert.Empty(errors);
        Assert.Equal(new ConsolePortConfig { End = new(SerialKind.Unix, "/run/a,b") { Log = "/l", LogMaxBytes = 1 << 20 }, Name = "org.example.0" }, port);
    }

    [Theory]
    [InlineData("file:/x", SerialKind.File, "/x", null, 0)]
    [InlineData("stdio,log=a=b", SerialKind.Stdio, null, "a=b", 0)]
    [InlineData("append:a,,,,b,log=c,log-max=64K", SerialKind.Append, "a,,b", "c", 65536)]
    public void ParseSerial_Form_IsRead(string text, SerialKind kind, string? path, string? log, ulong bound)
    {
        List<ConfigError> errors = [];
        Assert.Equal(new SerialConfig(kind, path) { Log = log, LogMaxBytes = bound }, SerialConfig.Parse("serial[0]", text, errors));
        Assert.Empty(errors);
    }

    [Theory]
    [InlineData("tcp:1")]
    [InlineData("stdio,lgo=x")]
    [InlineData("stdio,log")]
    [InlineData("stdio,name=x")]
    public void ParseSerial_Mistake_IsNamed(string text)
    {
        List<ConfigError> errors = [];
        SerialConfig.Parse("serial[0]", text, errors);
        Assert.StartsWith("serial[0]", Assert.Single(errors).Path, StringComparison.Ordinal);
    }

    public static TheoryData<MachineConfig, string> Mistakes { get; } = new()
    {
        { Good with { Serial = [new(SerialKind.Stdio)], Console = Ports(new SerialConfig(SerialKind.Stdio)) }, "console[0]" },
        { Good with { Console = Ports(new SerialConfig(SerialKind.Null) { Log = "x" }, new SerialConfig(SerialKind.File, "x")) }, "console[1]" },
        { Good with { Console = Ports(new SerialConfig(SerialKind.Pty) { LogMaxBytes = 1 << 20 }) }, "console[0].log-max" },
        { Good with { Console = Ports(new SerialConfig(SerialKind.Pty) { Log = "x", LogMaxBytes = 100 }) }, "console[0].log-max" },
        { Good with { Console = Ports(new SerialConfig(SerialKind.Unix)) }, "console[0]" },
        { Good with { Console = Ports() }, "console" },
        { Good with { Console = Ports([.. Enumerable.Repeat(new SerialConfig(SerialKind.Null), 17)]) }, "console" },
        { Good with { Console = new() { Id = "c", Ports = [new() { End = new(SerialKind.Null), Name = "a b" }] } }, "console[0].name" },
        { Good with { Console = new() { Id = "c", Ports = [new() { End = new(SerialKind.Null), Name = "a" }, new() { End = new(SerialKind.Null), Name = "a" }] } }, "console[1].name" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Validate_OneMistake_IsNamedWithItsPath(MachineConfig config, string path)
        => Assert.Equal(path, Assert.Single(ConfigValidator.Validate(config)).Path);

    private static ConsoleConfig Ports(params SerialConfig[] ends) => new() { Id = "console", Ports = [.. ends.Select(end => new ConsolePortConfig { End = end })] };
}
