using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>termios(3) and pseudo-terminals.</summary>
internal static unsafe partial class Libc
{
    public const int TCSANOW = 0;
    public const int TCSADRAIN = 1;

    /// <summary><c>OPOST</c> of <c>c_oflag</c>.</summary>
    public const uint OPOST = 1;

    /// <summary><c>O_NOCTTY</c>: opening a terminal does not make it the controlling one.</summary>
    public const int O_NOCTTY = 0x100;
    public const int O_APPEND = 0x400;

    /// <summary><c>TIOCGWINSZ</c>: reads the window's size.</summary>
    public const nuint TIOCGWINSZ = 0x5413;

    /// <summary><c>TIOCSWINSZ</c>: sets it.</summary>
    public const nuint TIOCSWINSZ = 0x5414;

    [LibraryImport(Library, EntryPoint = "isatty", SetLastError = true)]
    public static partial int IsAtty(int fd);

    [LibraryImport(Library, EntryPoint = "tcgetattr", SetLastError = true)]
    public static partial int TcGetAttr(int fd, Termios* to);

    [LibraryImport(Library, EntryPoint = "tcsetattr", SetLastError = true)]
    public static partial int TcSetAttr(int fd, int when, Termios* from);

    [LibraryImport(Library, EntryPoint = "cfmakeraw")]
    public static partial void CfMakeRaw(Termios* change);

    [LibraryImport(Library, EntryPoint = "posix_openpt", SetLastError = true)]
    public static partial int PosixOpenPt(int flags);

    [LibraryImport(Library, EntryPoint = "grantpt", SetLastError = true)]
    public static partial int GrantPt(int fd);

    [LibraryImport(Library, EntryPoint = "unlockpt", SetLastError = true)]
    public static partial int UnlockPt(int fd);

    /// <summary>Returns the error number itself; 0 is success.</summary>
    [LibraryImport(Library, EntryPoint = "ptsname_r")]
    public static partial int PtsName(int fd, byte* buffer, nuint capacity);

    /// <summary><c>struct winsize</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 8)]
    public struct WinSize
    {
        [FieldOffset(0)] public ushort Rows;
        [FieldOffset(2)] public ushort Columns;
    }

    /// <summary>glibc's <c>struct termios</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 60)]
    public struct Termios
    {
        [FieldOffset(0)] public uint InputFlags;
        [FieldOffset(4)] public uint OutputFlags;
        [FieldOffset(8)] public uint ControlFlags;
        [FieldOffset(12)] public uint LocalFlags;
        [FieldOffset(16)] public byte LineDiscipline;
        [FieldOffset(17)] public fixed byte ControlCharacters[32];
        [FieldOffset(52)] public uint InputSpeed;
        [FieldOffset(56)] public uint OutputSpeed;
    }
}
