using Vmm.Host.Native;

namespace Vmm.Host.Net;

/// <summary>A netlink(7) socket to the kernel's routing family: whole messages, one request at a time.</summary>
public sealed unsafe class NetlinkSocket : IDisposable
{
    // The kernel answers at once; this is for a kernel that does not.
    private const int PatienceSeconds = 10;

    private readonly LinuxFile _file;

    /// <exception cref="LinuxException">The host has no netlink.</exception>
    public NetlinkSocket()
    {
        const string Action = "opening a netlink socket";
        _file = LinuxFile.FromResult(Libc.Socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, Libc.NETLINK_ROUTE), Action);
        try
        {
            Libc.SockAddrNl address = new() { Family = Libc.AF_NETLINK };
            // SAFETY: locals that outlive the calls.
            if (Libc.Bind(_file.Fd, &address, (uint)sizeof(Libc.SockAddrNl)) != 0) throw LinuxException.FromLastError(Action);
            int on = 1;
            // Words with the errors; old kernels have none.
            _ = Libc.SetSockOpt(_file.Fd, Libc.SOL_NETLINK, Libc.NETLINK_EXT_ACK, &on, sizeof(int));
            _ = Libc.SetSockOpt(_file.Fd, Libc.SOL_NETLINK, Libc.NETLINK_GET_STRICT_CHK, &on, sizeof(int));
            Libc.TimeVal patience = new() { Seconds = PatienceSeconds };
            _ = Libc.SetSockOpt(_file.Fd, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, &patience, (uint)sizeof(Libc.TimeVal));
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Sends one message.</summary>
    /// <exception cref="LinuxException">The kernel did not take it.</exception>
    public void Send(ReadOnlySpan<byte> message) => _ = _file.Write(message);

    /// <summary>Waits for the next messages, as many as came together.</summary>
    /// <returns>Their bytes.</returns>
    /// <exception cref="LinuxException">No answer.</exception>
    public int Receive(Span<byte> buffer)
    {
        int count = _file.Read(buffer);
        return count > 0 ? count : throw new LinuxException($"the kernel does not answer on netlink within {PatienceSeconds} s");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
