using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>Locks of the open file description (fcntl(2), F_OFD_SETLK).</summary>
public sealed unsafe partial class BlockFile
{
    // QEMU's convention: byte 100 + n is locked by who uses permission n, byte 200 + n by who lets nobody else use it.
    private const long UsesBase = 100;
    private const long DeniesBase = 200;
    private const long LockBytes = 104;
    private const int PermissionRead = 0;
    private const int PermissionWrite = 1;
    private const int PermissionResize = 3;

    // A process that was killed holds its files until the kernel has ended its io_uring, which on a busy host comes half a second later.
    private static bool TryLockFor(LinuxFile file, bool readOnly)
    {
        const int Tries = 50, PauseMs = 20;
        for (int i = 0; i < Tries; i++)
        {
            if (i != 0) Thread.Sleep(PauseMs);
            if (readOnly ? TryShare(file) : TryOwn(file)) return true;
        }

        return false;
    }

    private static bool TryOwn(LinuxFile file) => TryLock(file, Libc.F_OFD_SETLK, Libc.F_WRLCK, UsesBase, LockBytes);

    private static bool TryShare(LinuxFile file)
        => TryLock(file, Libc.F_OFD_SETLK, Libc.F_RDLCK, UsesBase + PermissionRead, 1)
            && TryLock(file, Libc.F_OFD_SETLK, Libc.F_RDLCK, DeniesBase + PermissionWrite, 1)
            && TryLock(file, Libc.F_OFD_SETLK, Libc.F_RDLCK, DeniesBase + PermissionResize, 1)
            && TryLock(file, Libc.F_OFD_GETLK, Libc.F_WRLCK, UsesBase + PermissionWrite, 1)
            && TryLock(file, Libc.F_OFD_GETLK, Libc.F_WRLCK, UsesBase + PermissionResize, 1)
            && TryLock(file, Libc.F_OFD_GETLK, Libc.F_WRLCK, DeniesBase + PermissionRead, 1);

    // Only a lock of somebody else is a refusal: a file system without locks serves one process as well as any.
    private static bool TryLock(LinuxFile file, int command, short type, long start, long length)
    {
        Libc.Flock wanted = new() { Type = type, Start = start, Length = length };
        // SAFETY: a local that outlives the call.
        if (Libc.Fcntl(file.Fd, command, (nint)(&wanted)) != 0) return Marshal.GetLastPInvokeError() is not (Errno.EAGAIN or Errno.EACCES);
        return command == Libc.F_OFD_SETLK || wanted.Type == Libc.F_UNLCK;
    }
}
