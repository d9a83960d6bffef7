using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Network.Tests.User;

/// <summary>
/// A Linux network stack as the guest: a network namespace with a TAP in it, whose other end is pumped through a backend. Needs root.
/// </summary>
internal sealed unsafe partial class LinuxGuest : INetReceiver, IDisposable
{
    private const int O_RDWR = 2, O_CLOEXEC = 0x80000, O_NONBLOCK = 0x800;
    private const short IFF_TAP = 2, IFF_NO_PI = 0x1000, IFF_VNET_HDR = 0x4000;
    private const nuint TUNSETIFF = 0x400454ca, TUNSETVNETHDRSZ = 0x400454d8, TUNSETOFFLOAD = 0x400454d0;
    private const int TUN_F_CSUM = 1, TUN_F_TSO4 = 2, TUN_F_TSO6 = 4, TUN_F_TSO_ECN = 8, TUN_F_USO4 = 0x20, TUN_F_USO6 = 0x40;
    private const short POLLIN = 1;
    private const string Interface = "eth0";

    private static int s_count;

    private readonly INetBackend _backend;
    private readonly int _tap;
    private readonly AutoResetEvent _frames = new(false);
    private readonly Thread _reader, _writer;
    private volatile bool _stopping;

    /// <param name="backend">The other end of the wire.</param>
    /// <param name="offloads">Whether both sides leave checksums and segmentation undone.</param>
    /// <param name="mtu">The interface's MTU.</param>
    /// <param name="ipv6">Whether it speaks IPv6, whose addresses it makes by itself.</param>
    public LinuxGuest(INetBackend backend, bool offloads, int mtu = 1500, bool ipv6 = false)
    {
        _backend = backend;
        int number = Interlocked.Increment(ref s_count);
        Namespace = $"usernat-{Environment.ProcessId}-{number}";
        string tap = $"un{Environment.ProcessId % 100000}x{number}";
        Run("ip", $"netns add {Namespace}");
        try
        {
            _tap = OpenTap(tap, offloads);
            Run("ip", $"link set {tap} netns {Namespace} name {Interface} mtu {mtu}");
            Exec("ip link set lo up");
            // What a guest without the offload does: nothing leaves undone.
            if (!offloads) Exec($"ethtool -K {Interface} tx off tso off gso off 2>/dev/null || true");
            string setting = ipv6 ? "accept_dad=0" : "disable_ipv6=1";
            Exec($"sysctl -qw net.ipv6.conf.{Interface}.{setting} 2>/dev/null || true; ip link set {Interface} up");
        }
        catch
        {
            Dispose();
            throw;
        }

        backend.Attach(this);
        backend.Configure(offloads ? NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 : NetOffloads.None, 1);
        _reader = new Thread(ReadLoop) { IsBackground = true, Name = "guest-tx" };
        _writer = new Thread(WriteLoop) { IsBackground = true, Name = "guest-rx" };
        _reader.Start();
        _writer.Start();
    }

    /// <summary>Why there can be no such guest here; null where there can.</summary>
    public static string? WhyNot
        => getuid() != 0 ? "needs root, for a network namespace"
            : !File.Exists("/dev/net/tun") ? "the host has no TAP devices"
            : !File.Exists("/usr/sbin/ip") && !File.Exists("/sbin/ip") ? "the ip command is not installed"
            : !File.Exists("/bin/busybox") ? "busybox is not installed" : null;

    public string Namespace { get; }

    public void FramesReady(int queue) => _frames.Set();

    public void RoomToSend(int queue) { }

    /// <summary>Gives the interface the address that DHCP would.</summary>
    public void Configure(string address = "10.0.2.15/24", string gateway = "10.0.2.2")
        => Exec($"ip addr add {address} dev {Interface} && ip route add default via {gateway}");

    /// <summary>Runs a shell command as the guest.</summary>
    /// <returns>What it wrote.</returns>
    public string Exec(string command, int seconds = 60)
    {
        (int code, string output) = TryExec(command, seconds);
        return code == 0 ? output : throw new InvalidOperationException($"'{command}' ended with {code}: {output}");
    }

    public (int Code, string Output) TryExec(string command, int seconds = 60)
    {
        ProcessStartInfo start = new("timeout") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])[$"{seconds}", "ip", "netns", "exec", Namespace, "bash", "-c", command]) start.ArgumentList.Add(argument);
        return Finish(start);
    }

    public void Dispose()
    {
        _stopping = true;
        _frames.Set();
        _reader?.Join();
        _writer?.Join();
        if (_tap > 0) _ = close(_tap);
        Run("ip", $"netns del {Namespace}");
        _frames.Dispose();
    }

    private static (int Code, string Output) Finish(ProcessStartInfo start)
    {
        StringBuilder text = new();
        using Process process = new() { StartInfo = start };
        process.OutputDataReceived += (_, line) => Append(text, line.Data);
        process.ErrorDataReceived += (_, line) => Append(text, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        lock (text) return (process.ExitCode, text.ToString());
    }

    private static void Append(StringBuilder text, string? line)
    {
        if (line is null) return;
        lock (text) text.Append(line).Append('\n');
    }

    private static void Run(string program, string arguments)
    {
        (int code, string output) = Finish(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true });
        if (code != 0) throw new InvalidOperationException($"{program} {arguments}: {output}");
    }

    private static int OpenTap(string name, bool offloads)
    {
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        byte* request = stackalloc byte[40];
        new Span<byte>(request, 40).Clear();
        Encoding.ASCII.GetBytes(name, new Span<byte>(request, 15));
        *(short*)(request + 16) = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        int headerBytes = INetBackend.HeaderBytes;
        int features = offloads ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6 : 0;
        bool isGood = fd >= 0 && ioctl(fd, TUNSETIFF, (nint)request) == 0 && ioctl(fd, TUNSETVNETHDRSZ, (nint)(&headerBytes)) == 0;
        if (isGood && ioctl(fd, TUNSETOFFLOAD, features) != 0) isGood = ioctl(fd, TUNSETOFFLOAD, features & ~(TUN_F_USO4 | TUN_F_USO6)) == 0;
        return isGood ? fd : throw new InvalidOperationException("no TAP can be made");
    }

    private void ReadLoop()
    {
        PinnedBuffer buffer = new(INetBackend.MostFrameBytes);
        Span<byte> bytes = buffer.Span;
        PollFd poll = new() { Fd = _tap, Events = POLLIN };
        while (!_stopping)
        {
            nint count = read(_tap, (void*)buffer.Vector(0, bytes.Length).HostAddress, (nuint)bytes.Length);
            if (count > 0) _backend.Send(0, [buffer.Vector(0, (int)count)]);
            else _ = LinuxGuest.poll(&poll, 1, 100);
        }
    }

    private void WriteLoop()
    {
        PinnedBuffer buffer = new(INetBackend.MostFrameBytes);
        IoVec whole = buffer.Vector(0, buffer.SizeBytes);
        while (!_stopping)
        {
            int count = _backend.Receive(0, [whole]);
            if (count > 0) _ = write(_tap, (void*)whole.HostAddress, (nuint)count);
            else _frames.WaitOne();
        }
    }

    [LibraryImport("libc")]
    private static partial uint getuid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial int ioctl(int fd, nuint request, nint argument);

    [LibraryImport("libc")]
    private static partial nint read(int fd, void* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial nint write(int fd, void* buffer, nuint count);

    [LibraryImport("libc")]
    private static partial int poll(PollFd* fds, nuint count, int timeoutMs);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short Ready;
    }
}
