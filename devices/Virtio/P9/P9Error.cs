namespace Vmm.Devices.Virtio.P9;

/// <summary>Linux's error numbers, which 9P2000.L sends as they are, as far as the protocol itself needs them.</summary>
internal static class P9Error
{
    public const int ENOENT = 2;
    public const int EIO = 5;
    public const int E2BIG = 7;
    public const int EBADF = 9;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EEXIST = 17;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int ERANGE = 34;
    public const int EPROTO = 71;
    public const int EMSGSIZE = 90;
    public const int EOPNOTSUPP = 95;
    public const int ESTALE = 116;
}
