namespace Vmm.Firmware.Acpi;

/// <summary>A 16550 that the DSDT names (PNP0501).</summary>
/// <param name="Number">1 for COM1.</param>
/// <param name="Port">First of its eight I/O ports.</param>
/// <param name="Irq">Its ISA interrupt, 0 to 15.</param>
public readonly record struct AcpiSerialPort(int Number, ushort Port, int Irq);
