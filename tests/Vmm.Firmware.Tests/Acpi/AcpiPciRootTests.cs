using System.Text;
using Vmm.Firmware.Acpi;

namespace Vmm.Firmware.Tests.Acpi;

public class AcpiPciRootTests
{
    private static readonly AcpiPciRoot Root = new() { EcamAddress = 0xe000_0000, Memory32Start = 0xc000_0000, Memory32Bytes = 0x2000_0000, LinkGsis = [16, 17, 18, 19] };

    [Fact]
    public void Build_WithRoot_McfgNamesTheWindow()
    {
        byte[] image = AcpiTables.Build(new AcpiOptions { VcpuCount = 1, PciRoot = Root with { LastBus = 3 } });
        int at = image.AsSpan().IndexOf("MCFG"u8);
        Assert.Equal("3c000000" + "01", Convert.ToHexStringLower(image, at + 4, 5));
        Assert.Equal("000000e000000000" + "0000" + "00" + "03" + "00000000", Convert.ToHexStringLower(image, at + 44, 16));
        Assert.Equal(0, (byte)image.AsSpan(at, 60).ToArray().Sum(b => b));
    }

    [Fact]
    public void Build_WithoutRoot_NoMcfg()
        => Assert.Equal(-1, AcpiTables.Build(new AcpiOptions { VcpuCount = 1 }).AsSpan().IndexOf("MCFG"u8));

    [Fact]
    public void Contribute_Routing_SwizzlesEveryPinOfEveryDevice()
    {
        Aml aml = new();
        Root.Contribute(aml);
        string text = Convert.ToHexStringLower(aml.Bytes);
        Assert.Contains(Convert.ToHexStringLower(Encoding.ASCII.GetBytes("_PRT")), text, StringComparison.Ordinal);
        // Device 0 pin A, device 3 pin B, device 31 pin D: {address, pin, 0, GSI}.
        Assert.Contains("120904" + "0bffff" + "00" + "00" + "0a10", text, StringComparison.Ordinal);
        Assert.Contains("120b04" + "0cffff0300" + "01" + "00" + "0a10", text, StringComparison.Ordinal);
        Assert.Contains("120c04" + "0cffff1f00" + "0a03" + "00" + "0a12", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Contribute_WrongLinks_Throws() => Assert.Throws<ArgumentException>(() => (Root with { LinkGsis = [16] }).Contribute(new Aml()));
}
