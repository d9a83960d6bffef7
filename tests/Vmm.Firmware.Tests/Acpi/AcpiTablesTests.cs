using System.Text;
using Vmm.Core.Memory;
using Vmm.Firmware.Acpi;
using Vmm.Firmware.Boot;
using Vmm.TestKit;

namespace Vmm.Firmware.Tests.Acpi;

/// <summary>Reads the tables as an operating system does: RSDP by scan, XSDT, then each table by its address.</summary>
public sealed class AcpiTablesTests : IDisposable
{
    private readonly TestMemory _test = new(2 << 20);

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Write_Rsdp_FoundByScanWithBothChecksums()
    {
        GuestAddress told = AcpiTables.Write(_test.Memory, Options(1));
        ulong found = 0;
        for (ulong at = 0xe0000; at < 0x100000 && found == 0; at += 16)
        {
            if (Encoding.ASCII.GetString(Bytes(at, 8)) == "RSD PTR ") found = at;
        }

        Assert.Equal(told.Value, found);
        Assert.Equal(0, Sum(Bytes(found, 20)));
        Assert.Equal(0, Sum(Bytes(found, 36)));
        Assert.Equal(2, Bytes(found, 36)[15]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    public void Write_Tables_AllPresentWithLengthChecksumAndOem(int vcpus)
    {
        Dictionary<string, byte[]> tables = Tables(Options(vcpus));
        Assert.Equal(["APIC", "DSDT", "FACP", "XSDT"], tables.Keys.Order());
        foreach (byte[] table in tables.Values)
        {
            Assert.Equal(0, Sum(table));
            Assert.Equal("VMM   ", Encoding.ASCII.GetString(table, 10, 6));
        }
    }

    [Fact]
    public void Write_Fadt_FixedHardwareAsGiven()
    {
        byte[] fadt = Tables(Options(1) with { Pm1EventPort = 0xb000, Pm1ControlPort = 0xb004, PmTimerPort = 0xb008, ResetPort = 0x64, ResetValue = 0xfe, SciGsi = 5 })["FACP"];
        Assert.Equal(276, fadt.Length);
        Assert.Equal(6, fadt[8]);
        Assert.Equal(5, BitConverter.ToUInt16(fadt, 46));
        Assert.Equal(0u, BitConverter.ToUInt32(fadt, 48));
        Assert.Equal((0xb000u, 0xb004u, 0xb008u), (BitConverter.ToUInt32(fadt, 56), BitConverter.ToUInt32(fadt, 64), BitConverter.ToUInt32(fadt, 76)));
        Assert.Equal((4, 2, 4), (fadt[88], fadt[89], fadt[91]));
        Assert.Equal("0108000164000000000000" + "00fe", Convert.ToHexStringLower(fadt, 116, 13));
        Assert.Equal("01200002" + "00b0000000000000", Convert.ToHexStringLower(fadt, 148, 12));
        Assert.Equal("01100002" + "04b0000000000000", Convert.ToHexStringLower(fadt, 172, 12));
        Assert.Equal("01200003" + "08b0000000000000", Convert.ToHexStringLower(fadt, 208, 12));
        Assert.Equal((1u << 0) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 8) | (1 << 10), BitConverter.ToUInt32(fadt, 112));
        Assert.Equal("FACS", Encoding.ASCII.GetString(Bytes(BitConverter.ToUInt32(fadt, 36), 4)));
        Assert.Equal(0u, BitConverter.ToUInt32(fadt, 36) % 64);
    }

    [Theory]
    [InlineData(null, "000000000000000000000000", 0)]
    [InlineData(0x620, "012000012006000000000000", 4)]
    public void Write_Fadt_Gpe0OnlyWhereThereIsOne(int? port, string register, int length)
    {
        byte[] fadt = Tables(Options(1) with { Gpe0Port = (ushort?)port })["FACP"];
        Assert.Equal((port ?? 0, length), (BitConverter.ToInt32(fadt, 80), fadt[92]));
        Assert.Equal(register, Convert.ToHexStringLower(fadt, 220, 12));
    }

    [Theory]
    [InlineData(true, true, false, 0b00_0111)]
    [InlineData(false, false, true, 0b10_0001)]
    public void Write_Fadt_BootArchitectureFollowsTheDevices(bool keyboard, bool rtc, bool vga, int expected)
    {
        byte[] fadt = Tables(Options(1) with { HasKeyboardController = keyboard, HasRtc = rtc, HasVga = vga })["FACP"];
        Assert.Equal(expected, BitConverter.ToUInt16(fadt, 109));
    }

    [Fact]
    public void Write_Madt_EveryProcessorOnceAndIsaOverrides()
    {
        List<byte[]> entries = MadtEntries(Tables(Options(300))["APIC"]);
        Assert.Equal(Enumerable.Range(0, 255), entries.Where(e => e[0] == 0).Select(e => (int)e[3]));
        Assert.Equal(Enumerable.Range(255, 45), entries.Where(e => e[0] == 9).Select(e => BitConverter.ToInt32(e, 4)));
        Assert.All(entries.Where(e => e[0] is 0 or 9), e => Assert.Equal(1, BitConverter.ToInt32(e, e[0] == 0 ? 4 : 8)));
        byte[] ioApic = Assert.Single(entries, e => e[0] == 1);
        Assert.Equal((0xfec00000u, 0u), (BitConverter.ToUInt32(ioApic, 4), BitConverter.ToUInt32(ioApic, 8)));
        Assert.Equal(["020a0000020000000000", "020a0009090000000d00"], entries.Where(e => e[0] == 2).Select(e => Convert.ToHexStringLower(e)));
        Assert.Equal("0406ff000001", Convert.ToHexStringLower(Assert.Single(entries, e => e[0] == 4)));
        Assert.Equal("0a0c0000ffffffff01000000", Convert.ToHexStringLower(Assert.Single(entries, e => e[0] == 10)));
    }

    [Fact]
    public void Write_TooManyProcessors_OneLine()
    {
        Assert.StartsWith("ACPI tables: they take", Assert.Throws<BootException>(() => AcpiTables.Write(_test.Memory, Options(AcpiTables.MaxVcpus))).Message, StringComparison.Ordinal);
        Assert.Throws<BootException>(() => AcpiTables.Write(_test.Memory, Options(0)));
        Assert.Throws<BootException>(() => AcpiTables.Write(_test.Memory, Options(AcpiTables.MaxVcpus + 1)));
    }

    [Fact]
    public void Write_1024Processors_Fit() => AcpiTables.Write(_test.Memory, Options(1024));

    private static AcpiOptions Options(int vcpus) => new() { VcpuCount = vcpus, SerialPorts = [new AcpiSerialPort(1, 0x3f8, 4)] };

    private static List<byte[]> MadtEntries(byte[] madt)
    {
        List<byte[]> entries = [];
        for (int at = 44; at < madt.Length; at += madt[at + 1]) entries.Add(madt[at..(at + madt[at + 1])]);
        return entries;
    }

    private Dictionary<string, byte[]> Tables(AcpiOptions options)
    {
        ulong rsdp = AcpiTables.Write(_test.Memory, options).Value;
        byte[] xsdt = Table(BitConverter.ToUInt64(Bytes(rsdp + 24, 8)));
        Dictionary<string, byte[]> tables = new() { [Signature(xsdt)] = xsdt };
        for (int at = 36; at < xsdt.Length; at += 8)
        {
            byte[] table = Table(BitConverter.ToUInt64(xsdt, at));
            tables.Add(Signature(table), table);
        }

        byte[] dsdt = Table(BitConverter.ToUInt64(tables["FACP"], 140));
        Assert.Equal(BitConverter.ToUInt64(tables["FACP"], 140), BitConverter.ToUInt32(tables["FACP"], 40));
        tables.Add(Signature(dsdt), dsdt);
        return tables;
    }

    private byte[] Table(ulong at) => Bytes(at, BitConverter.ToInt32(Bytes(at + 4, 4)));

    private byte[] Bytes(ulong at, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(_test.Memory.TryCopyOut(new GuestAddress(at), bytes));
        return bytes;
    }

    private static string Signature(byte[] table) => Encoding.ASCII.GetString(table, 0, 4);

    private static byte Sum(byte[] bytes) => (byte)bytes.Sum(b => b);
}
