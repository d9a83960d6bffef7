using System.Diagnostics;
using Vmm.Firmware.Acpi;

namespace Vmm.Firmware.Tests.Acpi;

/// <summary>ACPICA's own tool reads the tables: disassembled and compiled again they give the same AML, without an error.</summary>
public sealed class IaslTests : IDisposable
{
    private static readonly AcpiPciRoot Root = new()
    {
        EcamAddress = 0xe000_0000,
        Memory32Start = 0xc000_0000,
        Memory32Bytes = 0x2000_0000,
        Memory64Start = 0x80_0000_0000,
        Memory64Bytes = 0x40_0000_0000,
        LinkGsis = [16, 17, 18, 19],
        HotPlug = new AcpiPciHotPlug { Port = 0x640, Event = 1, Slots = 0xffff_fffe },
    };

    private readonly DirectoryInfo _room = Directory.CreateTempSubdirectory("vmm-iasl");

    public void Dispose() => _room.Delete(recursive: true);

    [IaslTheory]
    [InlineData(1)]
    [InlineData(300)]
    public void Dsdt_DisassembledAndCompiled_SameTable(int vcpus)
    {
        AcpiOptions options = new()
        {
            VcpuCount = vcpus,
            SerialPorts = [new AcpiSerialPort(1, 0x3f8, 4), new AcpiSerialPort(2, 0x2f8, 3)],
            PvPanicPort = 0x505,
            FwCfgPort = 0x510,
            PciRoot = Root,
            Contributors = [new EveryObject(), new AcpiVirtioMmio(0, 0xe800_0000, 0x1000, 20), new AcpiVirtioMmio(31, 0xe801_f000, 0x1000, 23)],
        };
        byte[] dsdt = Dsdt.Build(options);
        File.WriteAllBytes(Path.Combine(_room.FullName, "dsdt.aml"), dsdt);
        Run("-d", "dsdt.aml");
        string output = Run("-oa", "-f", "-p", "again", "dsdt.dsl");
        Assert.Contains("0 Errors, 0 Warnings", output, StringComparison.Ordinal);
        byte[] again = File.ReadAllBytes(Path.Combine(_room.FullName, "again.aml"));
        // The header names the compiler and so has its own checksum.
        Assert.Equal(dsdt[36..], again[36..]);
    }

    [IaslTheory]
    [InlineData("FACP")]
    [InlineData("APIC")]
    [InlineData("MCFG")]
    public void DataTable_Disassembled_NoComplaint(string signature)
    {
        AcpiOptions options = new() { VcpuCount = 300, Gpe0Port = 0x620 };
        byte[] table = signature switch
        {
            "FACP" => Fadt.Build(options, 0xe0040, 0xe0080),
            "APIC" => Madt.Build(options),
            _ => Mcfg.Build(Root),
        };
        File.WriteAllBytes(Path.Combine(_room.FullName, "table.aml"), table);
        string output = Run("-d", "table.aml");
        string text = File.ReadAllText(Path.Combine(_room.FullName, "table.dsl"));
        Assert.DoesNotContain("rror", output.Replace("0 Errors", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("Invalid", text, StringComparison.Ordinal);
    }

    private string Run(params string[] arguments)
    {
        ProcessStartInfo start = new("iasl", arguments) { WorkingDirectory = _room.FullName, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        Assert.True(process.WaitForExit(30_000), "iasl hangs");
        Assert.True(process.ExitCode == 0, output);
        return output;
    }

    /// <summary>Each kind of object that the writer knows, as an extension would use them.</summary>
    private sealed class EveryObject : IAmlContributor
    {
        public void Contribute(Aml systemBus) => systemBus.Device("TST0", d => d
            .HardwareId("VMM00001")
            .Name("_UID", value => value.String("one"))
            .Name("BIGN", 0x123456789abcdef0)
            .Name("BUFF", value => value.Buffer([1, 2, 3]))
            .Name("PACK", value => value.Package(p => p.Integer(7), p => p.String("x"), p => p.Package(1UL, 2UL)))
            .CurrentResources(r => r.Memory32(0xfed00000, 0x400).Interrupt(23))
            .Method("_STA", 0, isSerialized: false, m => m.Return(value => value.Integer(15))));
    }
}
