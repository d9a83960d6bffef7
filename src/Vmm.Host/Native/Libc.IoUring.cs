using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>io_uring (linux/io_uring.h), as far as it is used.</summary>
internal static unsafe partial class Libc
{
    public const nint SYS_io_uring_setup = 425;
    public const nint SYS_io_uring_enter = 426;
    public const nint SYS_io_uring_register = 427;

    public const uint IORING_SETUP_CQSIZE = 8;
    public const uint IORING_SETUP_R_DISABLED = 64;
    public const uint IORING_REGISTER_RESTRICTIONS = 11;
    public const uint IORING_REGISTER_ENABLE_RINGS = 12;
    public const ushort IORING_RESTRICTION_SQE_OP = 1;
    public const uint IORING_ENTER_GETEVENTS = 1;
    public const uint IORING_FEAT_SINGLE_MMAP = 1;
    public const uint IORING_FEAT_NODROP = 2;
    public const uint IORING_FEAT_SUBMIT_STABLE = 4;
    public const nint IORING_OFF_SQ_RING = 0;
    public const nint IORING_OFF_SQES = 0x1000_0000;
    public const byte IORING_OP_NOP = 0;
    public const byte IORING_OP_READV = 1;
    public const byte IORING_OP_WRITEV = 2;

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Syscall(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    /// <summary><c>struct io_uring_params</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    public struct IoUringParams
    {
        [FieldOffset(0)] public uint SqEntries;
        [FieldOffset(4)] public uint CqEntries;
        [FieldOffset(8)] public uint Flags;
        [FieldOffset(20)] public uint Features;
        [FieldOffset(40)] public uint SqHead;
        [FieldOffset(44)] public uint SqTail;
        [FieldOffset(48)] public uint SqRingMask;
        [FieldOffset(64)] public uint SqArray;
        [FieldOffset(80)] public uint CqHead;
        [FieldOffset(84)] public uint CqTail;
        [FieldOffset(88)] public uint CqRingMask;
        [FieldOffset(100)] public uint CqCqes;
    }

    /// <summary><c>struct io_uring_restriction</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct IoUringRestriction
    {
        [FieldOffset(0)] public ushort Kind;
        [FieldOffset(2)] public byte Operation;
    }

    /// <summary><c>struct io_uring_sqe</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    public struct IoUringSqe
    {
        [FieldOffset(0)] public byte Opcode;
        [FieldOffset(4)] public int Fd;
        [FieldOffset(8)] public ulong Offset;
        [FieldOffset(16)] public ulong Address;
        [FieldOffset(24)] public uint Length;
        [FieldOffset(32)] public ulong UserData;
    }

    /// <summary><c>struct io_uring_cqe</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct IoUringCqe
    {
        [FieldOffset(0)] public ulong UserData;
        [FieldOffset(8)] public int Result;
    }
}
