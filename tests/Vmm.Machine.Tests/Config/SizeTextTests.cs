using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class SizeTextTests
{
    [Theory]
    [InlineData("512M", 512UL << 20)]
    [InlineData("2g", 2UL << 30)]
    [InlineData("64K", 64UL << 10)]
    [InlineData("1GiB", 1UL << 30)]
    [InlineData("4096", 4096UL)]
    [InlineData("16777215T", 16777215UL << 40)]
    public void TryParse_Size_GivesItsBytes(string text, ulong bytes)
    {
        Assert.True(SizeText.TryParse(text, out ulong parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1M")]
    [InlineData("1.5G")]
    [InlineData("12X")]
    [InlineData("0x100")]
    [InlineData("16777216T")]
    [InlineData("99999999999999999999")]
    public void TryParse_Other_IsRefused(string text) => Assert.False(SizeText.TryParse(text, out _));

    [Theory]
    [InlineData(512UL << 20, "512M")]
    [InlineData(3UL << 30, "3G")]
    [InlineData(1536UL << 20, "1536M")]
    [InlineData(12UL, "12")]
    public void Format_Bytes_UsesTheLargestWholeUnit(ulong bytes, string text) => Assert.Equal(text, SizeText.Format(bytes));
}
