namespace Vmm.Devices.Virtio.Console;

/// <summary>Numbers of the console device (virtio 1.2 §5.3).</summary>
internal static class VirtioConsoleRegisters
{
    public const ulong VIRTIO_CONSOLE_F_SIZE = 1UL << 0;
    public const ulong VIRTIO_CONSOLE_F_EMERG_WRITE = 1UL << 2;

    public const int ReceiveQueue = 0;
    public const int TransmitQueue = 1;

    // Offsets in the configuration (§5.3.4).
    public const int Columns = 0;
    public const int MaxPorts = 4;
    public const int EmergencyWrite = 8;
    public const int ConfigBytes = 12;
}
