using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>What the kernel is told, whichever protocol tells it.</summary>
/// <param name="Map">The memory map.</param>
/// <param name="Initrd">Where the initial ramdisk lies.</param>
/// <param name="InitrdBytes">Its length; 0 for none.</param>
/// <param name="Rsdp">The ACPI root pointer; null when there are no ACPI tables.</param>
internal sealed record Handover(E820Map Map, GuestAddress Initrd, ulong InitrdBytes, GuestAddress? Rsdp);
