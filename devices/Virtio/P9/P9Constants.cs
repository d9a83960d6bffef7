namespace Vmm.Devices.Virtio.P9;

/// <summary>Numbers of virtio-9p (device 9) and of 9P2000.L as Linux's v9fs speaks it.</summary>
internal static class P9Constants
{
    public const ulong VIRTIO_9P_MOUNT_TAG = 1UL << 0;

    /// <summary>Bytes of size, type and tag before every message.</summary>
    public const int HeaderBytes = 7;

    /// <summary>Bytes of Rlerror, the answer that must always fit.</summary>
    public const int ErrorBytes = HeaderBytes + 4;

    /// <summary>Bytes of Rread and Rreaddir before the data.</summary>
    public const int ReadReplyBytes = HeaderBytes + 4;

    /// <summary>Bytes of Twrite before the data.</summary>
    public const int WriteHeaderBytes = HeaderBytes + 16;

    /// <summary>Bytes of a qid: type, version, path.</summary>
    public const int QidBytes = 13;

    public const uint MinMessageBytes = 4096;
    public const uint MaxMessageBytes = 512 << 10;

    public const ushort NOTAG = 0xffff;
    public const uint NOFID = 0xffff_ffff;

    /// <summary>Names in one Twalk.</summary>
    public const int MAXWELEM = 16;

    public const byte QTDIR = 0x80;
    public const byte QTSYMLINK = 0x02;
    public const byte QTFILE = 0x00;

    public const uint P9_DOTL_WRONLY = 0x1;
    public const uint P9_DOTL_RDWR = 0x2;
    public const uint P9_DOTL_ACCMODE = 0x3;
    public const uint P9_DOTL_EXCL = 0x80;
    public const uint P9_DOTL_TRUNC = 0x200;
    public const uint P9_DOTL_DSYNC = 0x1000;
    public const uint P9_DOTL_DIRECTORY = 0x10000;
    public const uint P9_DOTL_SYNC = 0x10_1000;

    public const uint P9_DOTL_AT_REMOVEDIR = 0x200;

    public const ulong P9_STATS_BASIC = 0x7ff;
    public const ulong P9_STATS_BTIME = 0x800;

    public const uint P9_ATTR_MODE = 1 << 0;
    public const uint P9_ATTR_UID = 1 << 1;
    public const uint P9_ATTR_GID = 1 << 2;
    public const uint P9_ATTR_SIZE = 1 << 3;
    public const uint P9_ATTR_ATIME = 1 << 4;
    public const uint P9_ATTR_MTIME = 1 << 5;
    public const uint P9_ATTR_CTIME = 1 << 6;
    public const uint P9_ATTR_ATIME_SET = 1 << 7;
    public const uint P9_ATTR_MTIME_SET = 1 << 8;

    public const byte P9_LOCK_SUCCESS = 0;
    public const byte P9_LOCK_BLOCKED = 1;
    public const byte P9_LOCK_ERROR = 2;

    /// <summary>Linux's XATTR_REPLACE; with no bytes it is how Linux's client asks to remove an attribute.</summary>
    public const uint XATTR_REPLACE = 2;

    /// <summary>Linux's XATTR_SIZE_MAX, and XATTR_LIST_MAX.</summary>
    public const int MaxExtendedBytes = 64 << 10;

    /// <summary>Linux's XATTR_NAME_MAX.</summary>
    public const int MaxExtendedNameBytes = 255;
}
