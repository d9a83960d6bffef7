using System.Buffers.Binary;

namespace Vmm.Firmware.Acpi;

/// <summary>The multiple APIC description table (ACPI 6.5 §5.2.12).</summary>
internal static class Madt
{
    private const byte Revision = 5;
    private const uint PCAT_COMPAT = 1;
    private const uint Enabled = 1;

    // The ids that a one-byte field holds; 255 means all.
    private const int XApicIds = 255;

    private const byte LocalApic = 0;
    private const byte IoApic = 1;
    private const byte SourceOverride = 2;
    private const byte LocalApicNmi = 4;
    private const byte LocalX2Apic = 9;
    private const byte LocalX2ApicNmi = 10;
    private const ushort ConformsToBus = 0;
    private const ushort ActiveHighLevel = 0xd;
    private const byte Lint1 = 1;

    public static byte[] Build(AcpiOptions options)
    {
        AcpiTable table = new("APIC", Revision);
        table.Append(options.LocalApicAddress).Append(PCAT_COMPAT);
        for (int id = 0; id < options.VcpuCount; id++)
        {
            if (id < XApicIds) table.Append([LocalApic, 8, (byte)id, (byte)id]).Append(Enabled);
            else table.Append([LocalX2Apic, 16, 0, 0]).Append((uint)id).Append(Enabled).Append((uint)id);
        }

        table.Append([IoApic, 12, options.IoApicId, 0]).Append(options.IoApicAddress).Append(0u);
        if (options.TimerGsi != 0) Override(table, 0, options.TimerGsi, ConformsToBus);
        Override(table, (byte)options.SciGsi, options.SciGsi, ActiveHighLevel);
        table.Append([LocalApicNmi, 6, byte.MaxValue, 0, 0, Lint1]);
        if (options.VcpuCount > XApicIds) table.Append([LocalX2ApicNmi, 12, 0, 0]).Append(uint.MaxValue).Append([Lint1, 0, 0, 0]);
        return table.Close();
    }

    private static void Override(AcpiTable table, byte isaIrq, int gsi, ushort flags)
    {
        Span<byte> flagBytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(flagBytes, flags);
        table.Append([SourceOverride, 10, 0, isaIrq]).Append((uint)gsi).Append(flagBytes);
    }
}
