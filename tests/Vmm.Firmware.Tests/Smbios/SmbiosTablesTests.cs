using System.Text;
using Vmm.Core.Memory;
using Vmm.Firmware.Boot;
using Vmm.Firmware.Smbios;
using Vmm.TestKit;

namespace Vmm.Firmware.Tests.Smbios;

public sealed class SmbiosTablesTests : IDisposable
{
    private readonly TestMemory _test = new((0, 2 << 20), (16 << 20, 2 << 20));

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Write_EntryPoint_InTheScannedSegmentWithChecksum()
    {
        GuestAddress at = SmbiosTables.Write(_test.Memory, new SmbiosOptions { VcpuCount = 1 });
        Assert.InRange(at.Value, 0xf0000u, 0xffff0u);
        Assert.Equal(0u, at.Value % 16);
        byte[] entry = Bytes(at.Value, 24);
        Assert.Equal("_SM3_", Encoding.ASCII.GetString(entry, 0, 5));
        Assert.Equal(0, (byte)entry.Sum(b => b));
        Assert.Equal(24, entry[6]);
    }

    [Fact]
    public void Write_Structures_EachOfItsLengthInOrderWithEnd()
    {
        List<(byte[] Formatted, string[] Strings)> all = Structures(new SmbiosOptions { VcpuCount = 1 });
        Assert.Equal([0, 1, 3, 4, 16, 17, 19, 19, 32, 127], all.Select(s => (int)s.Formatted[0]));
        // Lengths of version 3.0 of the specification.
        Assert.Equal([0x18, 0x1b, 0x16, 0x30, 0x17, 0x28, 0x1f, 0x1f, 0x0b, 0x04], all.Select(s => s.Formatted.Length));
        Assert.Equal(all.Count, all.Select(s => BitConverter.ToUInt16(s.Formatted, 2)).Distinct().Count());
    }

    [Fact]
    public void Write_System_StringsAndUuidAsGiven()
    {
        (byte[] formatted, string[] strings) = Structures(new SmbiosOptions
        {
            VcpuCount = 1,
            Manufacturer = "Acme",
            Product = "Box",
            SerialNumber = "S-1",
            Uuid = Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"),
        })[1];
        Assert.Equal(["Acme", "Box", "S-1"], strings);
        Assert.Equal([1, 2, 0, 3], formatted[4..8]);
        Assert.Equal("33221100554477668899aabbccddeeff", Convert.ToHexStringLower(formatted, 8, 16));
    }

    [Theory]
    [InlineData(2, 2, 2)]
    [InlineData(300, 255, 300)]
    public void Write_Processor_CoresInBothFields(int vcpus, int few, int all)
    {
        byte[] processor = Structures(new SmbiosOptions { VcpuCount = vcpus })[3].Formatted;
        Assert.Equal((few, all), (processor[0x23], BitConverter.ToUInt16(processor, 0x2a)));
    }

    [Fact]
    public void Write_Memory_SizeAndRangesOfTheMachine()
    {
        List<(byte[] Formatted, string[] Strings)> all = Structures(new SmbiosOptions { VcpuCount = 1 });
        Assert.Equal(4, BitConverter.ToUInt16(all[5].Formatted, 0x0c));
        Assert.Equal((16u << 20, (18u << 20) - 1), (BitConverter.ToUInt64(all[7].Formatted, 0x0f), BitConverter.ToUInt64(all[7].Formatted, 0x17)));
    }

    [Theory]
    [InlineData("with a \n line")]
    [InlineData("ünï")]
    [InlineData("01234567890123456789012345678901234567890123456789012345678901234")]
    public void Write_BadString_OneLine(string serial)
    {
        BootException e = Assert.Throws<BootException>(() => SmbiosTables.Write(_test.Memory, new SmbiosOptions { VcpuCount = 1, SerialNumber = serial }));
        Assert.DoesNotContain('\n', e.Message);
    }

    private List<(byte[] Formatted, string[] Strings)> Structures(SmbiosOptions options)
    {
        byte[] entry = Bytes(SmbiosTables.Write(_test.Memory, options).Value, 24);
        byte[] table = Bytes(BitConverter.ToUInt64(entry, 16), BitConverter.ToInt32(entry, 12));
        List<(byte[] Formatted, string[] Strings)> all = [];
        for (int at = 0; at < table.Length;)
        {
            byte[] formatted = table[at..(at + table[at + 1])];
            at += formatted.Length;
            int end = at;
            while (table[end] != 0 || table[end + 1] != 0) end++;
            all.Add((formatted, Encoding.ASCII.GetString(table, at, end - at).Split('\0', StringSplitOptions.RemoveEmptyEntries)));
            at = end + 2;
        }

        return all;
    }

    private byte[] Bytes(ulong at, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(_test.Memory.TryCopyOut(new GuestAddress(at), bytes));
        return bytes;
    }
}
