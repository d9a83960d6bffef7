using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.Firmware.Acpi;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Smbios;

/// <summary>Builds the SMBIOS tables (DMTF DSP0134, layout of version 3.0) and puts them where a scan finds them.</summary>
public static class SmbiosTables
{
    private const int RoomBytes = (int)(BootLayout.HighMemory - BootLayout.SmbiosTables);
    private const int EntryPointBytes = 24;
    private const int TableOffset = 32;
    private const ushort NoHandle = 0xffff;
    private const ushort NoErrorHandle = 0xfffe;
    private const int MebibyteShift = 20;

    private enum StructureType : byte
    {
        BiosInformation = 0,
        SystemInformation = 1,
        SystemEnclosure = 3,
        Processor = 4,
        PhysicalMemoryArray = 16,
        MemoryDevice = 17,
        MemoryArrayMappedAddress = 19,
        SystemBoot = 32,
        EndOfTable = 127,
    }

    /// <summary>Writes entry point and table.</summary>
    /// <returns>The address of the entry point.</returns>
    /// <exception cref="BootException">A string cannot be written, or there is no memory.</exception>
    public static GuestAddress Write(GuestMemory memory, SmbiosOptions options)
    {
        memory.Put(new GuestAddress(BootLayout.SmbiosTables), Build(memory, options));
        return new GuestAddress(BootLayout.SmbiosTables);
    }

    /// <summary>Entry point and table as they lie from <see cref="BootLayout.SmbiosTables"/> on.</summary>
    internal static byte[] Build(GuestMemory memory, SmbiosOptions options)
    {
        List<byte> table = [];
        Bios().AppendTo(table);
        SystemInformation(options).AppendTo(table);
        Enclosure(options).AppendTo(table);
        Processor(options).AppendTo(table);
        AddMemory(table, memory);
        Start(StructureType.SystemBoot).DWord(0).Word(0).Byte(0).AppendTo(table);
        Start(StructureType.EndOfTable).AppendTo(table);
        if (table.Count > RoomBytes - TableOffset) throw new BootException($"SMBIOS: the tables take {table.Count} bytes, there is room for {RoomBytes - TableOffset}");

        byte[] image = new byte[TableOffset + table.Count];
        WriteEntryPoint(image, (uint)table.Count);
        table.CopyTo(image, TableOffset);
        return image;
    }

    /// <summary>The 64-bit entry point (§5.2.2).</summary>
    private static void WriteEntryPoint(Span<byte> image, uint tableBytes)
    {
        Span<byte> entry = image[..EntryPointBytes];
        "_SM3_"u8.CopyTo(entry);
        entry[6] = EntryPointBytes;
        entry[7] = 3;
        entry[10] = 1;
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], tableBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[16..], BootLayout.SmbiosTables + TableOffset);
        entry[5] = AcpiTable.Checksum(entry);
    }

    private static SmbiosStructure Start(StructureType type, int instance = 0) => new((byte)type, (ushort)(((int)type << 8) | instance));

    private static SmbiosStructure Bios()
    {
        const ulong CharacteristicsNotSupported = 1 << 3;
        const byte VirtualMachine = 1 << 4;
        return Start(StructureType.BiosInformation).Text("Vmm").Text("1.0").Word(0).Text("01/01/2026").Byte(0)
            .QWord(CharacteristicsNotSupported).Byte(0).Byte(VirtualMachine).Byte(1).Byte(0).Byte(byte.MaxValue).Byte(byte.MaxValue);
    }

    private static SmbiosStructure SystemInformation(SmbiosOptions options)
    {
        const byte PowerSwitch = 6;
        return Start(StructureType.SystemInformation).Text(options.Manufacturer).Text(options.Product).Text(options.Version).Text(options.SerialNumber)
            .Uuid(options.Uuid).Byte(PowerSwitch).Text(options.Sku).Text(options.Family);
    }

    private static SmbiosStructure Enclosure(SmbiosOptions options)
    {
        const byte Other = 1;
        const byte Safe = 3;
        const byte UnknownSecurity = 2;
        return Start(StructureType.SystemEnclosure).Text(options.Manufacturer).Byte(Other).Text(options.Version).Text(options.SerialNumber).Byte(0)
            .Byte(Safe).Byte(Safe).Byte(Safe).Byte(UnknownSecurity).DWord(0).Byte(0).Byte(0).Byte(0).Byte(0).Byte(0);
    }

    /// <summary>One socket with a core for each vCPU.</summary>
    private static SmbiosStructure Processor(SmbiosOptions options)
    {
        const byte CentralProcessor = 3;
        const byte Other = 1;
        const byte PopulatedAndEnabled = 0x41;
        const ushort Is64Bit = 1 << 2;
        ushort cores = (ushort)Math.Min(options.VcpuCount, ushort.MaxValue - 1);
        byte few = (byte)Math.Min(cores, byte.MaxValue);
        return Start(StructureType.Processor).Text("CPU 0").Byte(CentralProcessor).Byte(Other).Text(options.Manufacturer).QWord(0).Byte(0)
            .Byte(0).Word(0).Word(0).Word(0).Byte(PopulatedAndEnabled).Byte(Other).Word(NoHandle).Word(NoHandle).Word(NoHandle)
            .Byte(0).Byte(0).Byte(0).Byte(few).Byte(few).Byte(few).Word(Is64Bit).Word(Other).Word(cores).Word(cores).Word(cores);
    }

    /// <summary>One array with one device, and a mapped range for each piece of RAM.</summary>
    private static void AddMemory(List<byte> table, GuestMemory memory)
    {
        const byte Other = 1;
        const byte SystemMemory = 3;
        const byte NoErrorCorrection = 3;
        const uint SeeExtendedCapacity = 0x80000000;
        const ushort SeeExtendedSize = 0x7fff;
        const byte Dimm = 9;
        const byte Ram = 7;
        const ushort OtherDetail = 1 << 1;
        const ushort Unknown = 0xffff;

        ulong ram = 0;
        foreach (GuestMemoryRegion region in memory.Regions) ram += region.IsReadOnly || region.IsDevice ? 0 : region.SizeBytes;
        ulong mebibytes = ram >> MebibyteShift;
        ushort array = (int)StructureType.PhysicalMemoryArray << 8;
        Start(StructureType.PhysicalMemoryArray).Byte(Other).Byte(SystemMemory).Byte(NoErrorCorrection).DWord(SeeExtendedCapacity).Word(NoErrorHandle)
            .Word(1).QWord(ram).AppendTo(table);
        Start(StructureType.MemoryDevice).Word(array).Word(NoErrorHandle).Word(Unknown).Word(Unknown)
            .Word((ushort)Math.Min(mebibytes, (ulong)SeeExtendedSize)).Byte(Dimm).Byte(0).Text("DIMM 0").Byte(0).Byte(Ram).Word(OtherDetail).Word(0)
            .Byte(0).Byte(0).Byte(0).Byte(0).Byte(0).DWord((uint)Math.Min(mebibytes, int.MaxValue)).Word(0).Word(0).Word(0).Word(0).AppendTo(table);
        int instance = 0;
        foreach (GuestMemoryRegion region in memory.Regions)
        {
            if (region.IsReadOnly || region.IsDevice) continue;
            Start(StructureType.MemoryArrayMappedAddress, instance++).DWord(uint.MaxValue).DWord(uint.MaxValue).Word(array).Byte(1)
                .QWord(region.Start.Value).QWord(region.End - 1).AppendTo(table);
        }
    }
}
