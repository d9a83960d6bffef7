namespace Vmm.Devices.Virtio.Transport;

/// <summary>Offsets of the common configuration structure (virtio 1.2 §4.1.4.3).</summary>
internal static class VirtioPciCommon
{
    public const uint device_feature_select = 0;
    public const uint device_feature = 4;
    public const uint driver_feature_select = 8;
    public const uint driver_feature = 12;
    public const uint config_msix_vector = 16;
    public const uint num_queues = 18;
    public const uint device_status = 20;
    public const uint config_generation = 21;
    public const uint queue_select = 22;
    public const uint queue_size = 24;
    public const uint queue_msix_vector = 26;
    public const uint queue_enable = 28;
    public const uint queue_notify_off = 30;
    public const uint queue_desc = 32;
    public const uint queue_driver = 40;
    public const uint queue_device = 48;
    public const uint queue_notify_data = 56;
    public const uint queue_reset = 58;
    public const uint SizeBytes = 60;

    /// <summary>The width of the register at an offset, 0 where there is none. A 64-bit register is two of 32 bits.</summary>
    public static int Width(uint offset) => offset switch
    {
        device_feature_select or device_feature or driver_feature_select or driver_feature => sizeof(uint),
        >= queue_desc and < queue_notify_data when offset % sizeof(uint) == 0 => sizeof(uint),
        device_status or config_generation => sizeof(byte),
        config_msix_vector or num_queues or queue_select or queue_size or queue_msix_vector or queue_enable or queue_notify_off
            or queue_notify_data or queue_reset => sizeof(ushort),
        _ => 0,
    };
}
