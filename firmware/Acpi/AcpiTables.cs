using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Acpi;

/// <summary>Builds the ACPI tables (ACPI 6.5 §5.2) and puts them where a PC's BIOS has them.</summary>
public static class AcpiTables
{
    /// <summary>The most processors that can be described: names of the DSDT have three hexadecimal digits.</summary>
    public const int MaxVcpus = 0x1000;

    private const int RoomBytes = (int)(BootLayout.SmbiosTables - BootLayout.FirmwareTables);
    private const int RsdpBytes = 36;
    private const int TableAlignment = 16;
    private const int FacsBytes = 64;

    /// <summary>Writes the tables; the guest finds them by scanning, too.</summary>
    /// <returns>The address of the RSDP.</returns>
    /// <exception cref="BootException">They do not fit below 1 MiB, or there is no memory.</exception>
    public static GuestAddress Write(GuestMemory memory, AcpiOptions options)
    {
        memory.Put(new GuestAddress(BootLayout.FirmwareTables), Build(options));
        return new GuestAddress(BootLayout.FirmwareTables);
    }

    /// <summary>The tables as they lie from <see cref="BootLayout.FirmwareTables"/> on, the RSDP first.</summary>
    /// <exception cref="BootException">They do not fit.</exception>
    internal static byte[] Build(AcpiOptions options)
    {
        if (options.VcpuCount is < 1 or > MaxVcpus) throw new BootException($"ACPI tables: {options.VcpuCount} vCPUs cannot be described, only 1 to {MaxVcpus}");
        List<byte> image = [.. new byte[RsdpBytes]];
        uint facs = Add(image, Facs(), FacsBytes);
        uint dsdt = Add(image, Dsdt.Build(options));
        uint fadt = Add(image, Fadt.Build(options, facs, dsdt));
        uint madt = Add(image, Madt.Build(options));
        AcpiTable index = new AcpiTable("XSDT", 1).Append((ulong)fadt).Append((ulong)madt);
        if (options.PciRoot is { } root) index.Append((ulong)Add(image, Mcfg.Build(root)));
        uint xsdt = Add(image, index.Close());
        if (image.Count > RoomBytes)
            throw new BootException($"ACPI tables: they take {image.Count} bytes for {options.VcpuCount} vCPUs, there is room for {RoomBytes}");
        byte[] result = [.. image];
        WriteRsdp(result, xsdt);
        return result;
    }

    private static uint Add(List<byte> image, byte[] table, int alignment = TableAlignment)
    {
        while (image.Count % alignment != 0) image.Add(0);
        uint address = (uint)BootLayout.FirmwareTables + (uint)image.Count;
        image.AddRange(table);
        return address;
    }

    /// <summary>Root system description pointer, revision 2 (§5.2.5.3).</summary>
    private static void WriteRsdp(Span<byte> rsdp, uint xsdt)
    {
        const int FirstChecksumBytes = 20;
        rsdp = rsdp[..RsdpBytes];
        "RSD PTR "u8.CopyTo(rsdp);
        "VMM   "u8.CopyTo(rsdp[9..]);
        rsdp[15] = 2;
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp[20..], RsdpBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(rsdp[24..], xsdt);
        rsdp[8] = AcpiTable.Checksum(rsdp[..FirstChecksumBytes]);
        rsdp[32] = AcpiTable.Checksum(rsdp);
    }

    /// <summary>Firmware ACPI control structure (§5.2.10): no header, no checksum.</summary>
    private static byte[] Facs()
    {
        byte[] facs = new byte[FacsBytes];
        "FACS"u8.CopyTo(facs);
        BinaryPrimitives.WriteUInt32LittleEndian(facs.AsSpan(4), FacsBytes);
        facs[32] = 2;
        return facs;
    }
}
