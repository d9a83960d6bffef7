namespace Vmm.Host.Sandbox;

/// <summary>What Landlock governs in the file system: LANDLOCK_ACCESS_FS_* of linux/landlock.h.</summary>
[Flags]
internal enum LandlockAccess : ulong
{
    None = 0,
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_CHAR = 1 << 6,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    MAKE_SOCK = 1 << 9,
    MAKE_FIFO = 1 << 10,
    MAKE_BLOCK = 1 << 11,
    MAKE_SYM = 1 << 12,

    /// <summary>Since version 2: links and renames from one folder into another.</summary>
    REFER = 1 << 13,

    /// <summary>Since version 3.</summary>
    TRUNCATE = 1 << 14,

    /// <summary>Since version 5: ioctl on devices.</summary>
    IOCTL_DEV = 1 << 15,

    Version1 = (1 << 13) - 1,

    /// <summary>Those that a rule for a file, not a folder, may name.</summary>
    OfFiles = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,
}
