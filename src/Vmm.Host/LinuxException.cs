using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>A system call was refused. The message is one line for the user: what was tried, and why it failed.</summary>
public sealed class LinuxException : IOException
{
    /// <param name="action">What was tried, as the start of a sentence: "opening /dev/kvm".</param>
    /// <param name="errno">The error number.</param>
    public LinuxException(string action, int errno) : base(Describe(action, errno)) => Error = errno;

    public LinuxException(string message) : base(message) { }

    public LinuxException(string message, Exception inner) : base(message, inner) { }

    public LinuxException() { }

    /// <summary>The error number, 0 when no system call stands behind it.</summary>
    public int Error { get; }

    /// <summary>The exception for the call that just failed on this thread.</summary>
    public static LinuxException FromLastError(string action) => new(action, Marshal.GetLastPInvokeError());

    private static string Describe(string action, int errno) => $"{action}: {Marshal.GetPInvokeErrorMessage(errno)} ({Errno.Name(errno)})";
}
