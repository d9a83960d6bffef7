namespace Vmm.Devices.Virtio.Console;

/// <summary>Numbers of the console device (virtio 1.2 §5.3).</summary>
internal static class VirtioConsoleRegisters
{
    public const ulong VIRTIO_CONSOLE_F_SIZE = 1UL << 0;
    public const ulong VIRTIO_CONSOLE_F_MULTIPORT = 1UL << 1;
    public const ulong VIRTIO_CONSOLE_F_EMERG_WRITE = 1UL << 2;

    // Queues of the first port and of the control channel; port n > 0 has 2n + 2 and 2n + 3 (§5.3.2).
    public const int ReceiveQueue = 0;
    public const int TransmitQueue = 1;
    public const int ControlReceiveQueue = 2;
    public const int ControlTransmitQueue = 3;

    // Offsets in the configuration (§5.3.4).
    public const int Columns = 0;
    public const int MaxPorts = 4;
    public const int EmergencyWrite = 8;
    public const int ConfigBytes = 12;

    // struct virtio_console_control: id, event, value (§5.3.6.2).
    public const int ControlBytes = 8;
    public const int ControlEvent = 4;
    public const int ControlValue = 6;
}
