using System.Text.Json;
using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class ConfigValidatorTests
{
    private static readonly MachineConfig Good = new() { Boot = new BootConfig { Kernel = "vmlinuz" } };

    public static TheoryData<MachineConfig, string> Mistakes() => new()
    {
        { Good with { Name = "" }, "name" },
        { Good with { Name = "-x" }, "name" },
        { Good with { Name = "a b" }, "name" },
        { Good with { Name = new string('a', 65) }, "name" },
        { Good with { MemoryBytes = 0 }, "memory" },
        { Good with { MemoryBytes = 512 }, "memory" },
        { Good with { MemoryBytes = (1UL << 30) + 1 }, "memory" },
        { Good with { MemoryBytes = ulong.MaxValue }, "memory" },
        { Good with { Vcpus = 0 }, "vcpus" },
        { Good with { Vcpus = 256 }, "vcpus" },
        { Good with { Cpu = "no-such-model" }, "cpu" },
        { Good with { Cpu = "x86-64-v2,+no-such-feature" }, "cpu" },
        { Good with { Boot = new BootConfig { Kernel = "" } }, "kernel" },
        { Good with { Boot = new BootConfig { Kernel = "k", Initrd = "" } }, "initrd" },
        { Good with { Serial = [.. Enumerable.Repeat(new SerialConfig(SerialKind.Null), 5)] }, "serial" },
        { Good with { Serial = [new(SerialKind.Stdio), new(SerialKind.Stdio)] }, "serial[1]" },
        { Good with { Serial = [new(SerialKind.File, "x"), new(SerialKind.Null), new(SerialKind.File, "x")] }, "serial[2]" },
        { Good with { Serial = [new(SerialKind.Unix, new string('x', 108))] }, "serial[0]" },
        { Good with { DebugConsole = new(SerialKind.Pty) }, "debug-console" },
        { Good with { DebugConsole = new(SerialKind.File) }, "debug-console" },
        { Good with { Serial = [new(SerialKind.File, "x")], DebugConsole = new(SerialKind.File, "x") }, "debug-console" },
    };

    [Fact]
    public void Validate_Defaults_HaveNoMistake() => Assert.Empty(ConfigValidator.Validate(Good));

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Validate_OneMistake_IsNamedWithItsPath(MachineConfig config, string path)
        => Assert.Equal(path, Assert.Single(ConfigValidator.Validate(config)).Path);

    [Fact]
    public void Validate_SeveralMistakes_AreAllNamed()
        => Assert.Equal(["name", "memory", "vcpus"], ConfigValidator.Validate(Good with { Name = "", MemoryBytes = 1, Vcpus = 0 }).Select(e => e.Path));

    [Fact]
    public void Validate_MemoryWithoutSuffix_SuggestsMebibytes()
        => Assert.Contains("512M?", ConfigValidator.Validate(Good with { MemoryBytes = 512 })[0].Why, StringComparison.Ordinal);

    [Theory]
    [InlineData("stdio", SerialKind.Stdio, null)]
    [InlineData("file:/a:b", SerialKind.File, "/a:b")]
    [InlineData("append:x", SerialKind.Append, "x")]
    [InlineData("unix:/run/s", SerialKind.Unix, "/run/s")]
    public void TryParse_SerialForm_IsRead(string text, SerialKind kind, string? path)
    {
        Assert.True(SerialConfig.TryParse(text, out SerialConfig config));
        Assert.Equal(new SerialConfig(kind, path), config);
    }

    [Theory]
    [InlineData("")]
    [InlineData("file")]
    [InlineData("file:")]
    [InlineData("null:x")]
    [InlineData("tcp:1")]
    public void TryParse_OtherSerialForm_IsRefused(string text) => Assert.False(SerialConfig.TryParse(text, out _));

    [Fact]
    public void Format_Json_HoldsTheValuesInLowerCase()
    {
        using JsonDocument json = JsonDocument.Parse(ConfigJson.Format(Good with { Vcpus = 3, Accel = Accelerator.Software }));
        Assert.Equal(3, json.RootElement.GetProperty("vcpus").GetInt32());
        Assert.Equal("software", json.RootElement.GetProperty("accel").GetString());
        Assert.Equal("stdio", json.RootElement.GetProperty("serial")[0].GetProperty("kind").GetString());
    }
}
