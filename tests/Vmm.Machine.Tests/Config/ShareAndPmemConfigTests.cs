using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class ShareAndPmemConfigTests
{
    [Fact]
    public void Parse_EveryKey_IsKept()
    {
        List<ConfigError> errors = [];

        ShareConfig share = ShareConfig.Parse(1, "path=/a,,b,tag=src,readonly=on,devices=off,id=code", errors);
        PmemConfig pmem = PmemConfig.Parse(2, "path=/p,size=64M,readonly", errors);

        Assert.Empty(errors);
        Assert.Equal(new ShareConfig { Id = "code", Path = "/a,b", Tag = "src", ReadOnly = true }, share);
        Assert.Equal(new PmemConfig { Id = "pmem2", Path = "/p", SizeBytes = 64 << 20, ReadOnly = true }, pmem);
    }

    [Fact]
    public void Parse_WhatIsMissing_IsSaid()
    {
        List<ConfigError> errors = [];

        ShareConfig.Parse(0, "tga=x", errors);
        PmemConfig.Parse(0, "size=1M", errors);

        Assert.Equal(["share[0].path", "share[0].tag", "share[0]", "pmem[0].path"], errors.Select(e => e.Path));
        Assert.Contains("did you mean 'tag'", errors[2].Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_BadOnes_FindsEveryMistake()
    {
        MachineConfig config = new()
        {
            Boot = new BootConfig { Kernel = "k" },
            Shares =
            [
                new() { Id = "a", Path = "", Tag = "" },
                new() { Id = "b", Path = "x", Tag = new string('t', 32), ReadOnly = true, Devices = true },
                new() { Id = "c", Path = "x", Tag = "same" },
                new() { Id = "d", Path = "y", Tag = "same" },
            ],
            Pmems = [new() { Id = "e", Path = "", SizeBytes = 1 << 20 }],
        };

        Assert.Equal(["share[0].path", "share[0].tag", "share[1].tag", "share[1].devices", "pmem[0].path", "pmem[0].size", "share[3].tag"],
            ConfigValidator.Validate(config).Select(e => e.Path));
    }
}
