using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Host.Native;

namespace Vmm.Kvm;

/// <summary>KVM's ioctls with their errors as one line for the user.</summary>
internal static unsafe partial class KvmCall
{
    /// <summary>KVM_RUN: without the bookkeeping of SetLastError, since it is called for every exit. Read errno with <see cref="Marshal.GetLastSystemError"/> at once.</summary>
    [LibraryImport("libc", EntryPoint = "ioctl")]
    public static partial int RunIoctl(int fd, nuint request, nint argument);

    /// <summary>An ioctl that must succeed.</summary>
    /// <exception cref="HypervisorException">It failed.</exception>
    public static int Must(int fd, uint request, nint argument, string what)
    {
        int result = Try(fd, request, argument);
        return result >= 0 ? result : throw Failure(what);
    }

    /// <summary>An ioctl on a structure that must succeed.</summary>
    /// <exception cref="HypervisorException">It failed.</exception>
    public static int Must<T>(int fd, uint request, ref T argument, string what) where T : unmanaged
    {
        // SAFETY: pinned for the call; T has the size that the request number encodes.
        fixed (T* pointer = &argument) return Must(fd, request, (nint)pointer, what);
    }

    /// <summary>An ioctl whose failure the caller judges by <see cref="Marshal.GetLastPInvokeError"/>; repeated when a signal interrupted it.</summary>
    public static int Try(int fd, uint request, nint argument)
    {
        int result;
        do
        {
            result = Libc.Ioctl(fd, request, argument);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);

        return result;
    }

    /// <summary>As <see cref="Try(int, uint, nint)"/>, on a structure.</summary>
    public static int Try<T>(int fd, uint request, ref T argument) where T : unmanaged
    {
        // SAFETY: pinned for the call; T has the size that the request number encodes.
        fixed (T* pointer = &argument) return Try(fd, request, (nint)pointer);
    }

    /// <summary>The exception for the call that just failed.</summary>
    public static HypervisorException Failure(string what)
    {
        int errno = Marshal.GetLastPInvokeError();
        return new HypervisorException($"KVM: {what}: {Marshal.GetPInvokeErrorMessage(errno)} ({Errno.Name(errno)})");
    }
}
