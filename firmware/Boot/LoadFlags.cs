namespace Vmm.Firmware.Boot;

/// <summary>setup_header.loadflags (boot.rst).</summary>
[Flags]
internal enum LoadFlags : byte
{
    None = 0,
    LOADED_HIGH = 1 << 0,
    KASLR_FLAG = 1 << 1,
    QUIET_FLAG = 1 << 5,
    KEEP_SEGMENTS = 1 << 6,
    CAN_USE_HEAP = 1 << 7,
}
