using Vmm.Firmware.Acpi;

namespace Vmm.Firmware.Tests.Acpi;

/// <summary>Encodings against the bytes of ACPI 6.5 §20.2, worked out by hand.</summary>
public class AmlTests
{
    [Theory]
    [InlineData(0UL, "00")]
    [InlineData(1UL, "01")]
    [InlineData(2UL, "0a02")]
    [InlineData(0xffUL, "0aff")]
    [InlineData(0x100UL, "0b0001")]
    [InlineData(0x12345UL, "0c45230100")]
    [InlineData(0x100000000UL, "0e0000000001000000")]
    public void Integer_Value_ShortestForm(ulong value, string hex) => Assert.Equal(hex, Hex(new Aml().Integer(value)));

    [Theory]
    [InlineData("\\", "5c00")]
    [InlineData("COM1", "434f4d31")]
    [InlineData("RTC", "5254435f")]
    [InlineData("\\_SB", "5c5f53425f")]
    [InlineData("^^A", "5e5e415f5f5f")]
    [InlineData("\\_SB.PCI0", "5c2e5f53425f50434930")]
    [InlineData("_SB.PCI0.ISA", "2f035f53425f504349304953415f")]
    public void Name_Path_Encoded(string path, string hex)
        => Assert.Equal("08" + hex + "00", Hex(new Aml().Name(path, 0)));

    [Theory]
    [InlineData("A.")]
    [InlineData("TOOLONG")]
    [InlineData("1ABC")]
    [InlineData("abc")]
    [InlineData("A..B")]
    [InlineData("A\\B")]
    [InlineData("^\\A")]
    public void Name_BadPath_Throws(string path) => Assert.ThrowsAny<ArgumentException>(() => new Aml().Name(path, 0));

    [Theory]
    [InlineData("PNP0501", "0c41d00501")]
    [InlineData("PNP0A08", "0c41d00a08")]
    [InlineData("ACPI0007", "0d414350493030303700")]
    public void Id_Text_EisaWhereItIsOne(string id, string hex) => Assert.Equal(hex, Hex(new Aml().Id(id)));

    [Theory]
    [InlineData(58, "103f")]
    [InlineData(59, "104104")]
    [InlineData(4089, "104fff")]
    [InlineData(4090, "10810001")]
    [InlineData(1048568, "108fffff")]
    [InlineData(1048569, "10c1000001")]
    public void Scope_ContentLength_PkgLengthOfTheRightSize(int contentBytes, string start)
    {
        // The name takes four bytes, so the smallest of each size follows the largest of the one before.
        Aml aml = new Aml().Scope("ABCD", inner =>
        {
            for (int i = 0; i < contentBytes; i++) inner.Integer(0);
        });
        Assert.StartsWith(start, Convert.ToHexStringLower(aml.Bytes[..8]), StringComparison.Ordinal);
        Assert.Equal((start.Length / 2) + 4 + contentBytes, aml.Bytes.Length);
    }

    [Fact]
    public void Package_Integers_CountAndElements() => Assert.Equal("1208040a050a050000", Hex(new Aml().Package(5UL, 5UL, 0UL, 0UL)));

    [Fact]
    public void Method_Returning_Encoded() => Assert.Equal("14095f53544108a40a0f", Hex(new Aml().Method("_STA", 0, true, m => m.Return(v => v.Integer(15)))));

    [Fact]
    public void Resources_IoAndIrq_DescriptorsAndEndTag()
        => Assert.Equal("11100a0d" + "4701f803f8030108" + "221000" + "7900", Hex(new Aml().Resources(r => r.Io(0x3f8, 8).Irq(4))));

    [Fact]
    public void Resources_MemoryAndInterrupt_Descriptors()
        => Assert.EndsWith("8609000100000dd000100000" + "890600010114000000" + "7900", Hex(new Aml().Resources(r => r.Memory32(0xd00d0000, 0x1000).Interrupt(20))), StringComparison.Ordinal);

    [Fact]
    public void Resources_Windows_AddressSpaceDescriptors()
    {
        string hex = Hex(new Aml().Resources(r => r.BusNumbers(0, 0).PortWindow(0xd00, 0xffff).MemoryWindow(0xc000_0000, 0x2000_0000).MemoryWindow(0x80_0000_0000, 0x1000)));
        Assert.Equal(
            "880d00020c00" + "00000000000000000100"
            + "880d00010c03" + "0000000dffff000000f3"
            + "871700000c01" + "00000000" + "000000c0" + "ffffffdf" + "00000000" + "00000020"
            + "8a2b00000c01" + "0000000000000000" + "0000000080000000" + "ff0f000080000000" + "0000000000000000" + "0010000000000000"
            + "7900", hex[10..]);
    }

    private static string Hex(Aml aml) => Convert.ToHexStringLower(aml.Bytes);
}
