using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Sockets;

/// <summary>Sending and receiving.</summary>
public sealed unsafe partial class InetSocket
{
    private const int ControlBytes = 256;

    /// <summary>Sends as much as the socket takes now.</summary>
    /// <param name="vectors">Pinned memory.</param>
    /// <param name="sent">How many bytes were taken.</param>
    public SocketStatus Send(ReadOnlySpan<IoVec> vectors, out int sent)
    {
        fixed (IoVec* first = vectors)
        {
            Libc.MsgHdr message = new() { Vectors = first, VectorCount = (nuint)vectors.Length };
            return SendMessage(&message, out sent);
        }
    }

    /// <summary>Sends as much as the socket takes now.</summary>
    public SocketStatus Send(ReadOnlySpan<byte> data, out int sent)
    {
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            return Send(new ReadOnlySpan<IoVec>(in vector), out sent);
        }
    }

    /// <summary>Sends one datagram.</summary>
    public SocketStatus SendTo(ReadOnlySpan<byte> data, in InetEndPoint to)
    {
        Libc.SockAddrInet address = to.ToNative(out uint addressBytes);
        fixed (byte* start = data)
        {
            IoVec vector = new((nint)start, (nuint)data.Length);
            Libc.MsgHdr message = new() { Name = &address, NameBytes = addressBytes, Vectors = &vector, VectorCount = 1 };
            return SendMessage(&message, out _);
        }
    }

    /// <summary>Receives what is there, up to the buffer's size.</summary>
    /// <param name="buffer">Where to; not empty.</param>
    /// <param name="received">How many bytes; 0 with Ok is the end of a stream.</param>
    public SocketStatus Receive(Span<byte> buffer, out int received)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                // SAFETY: the span is pinned for the call and the kernel writes at most its length.
                nint count = Libc.Recv(_fd, start, (nuint)buffer.Length, 0);
                received = (int)Math.Max(0, count);
                if (count >= 0) return SocketStatus.Ok;
                if (!WasInterrupted()) return LastStatus();
            }
        }
    }

    /// <summary>Receives one datagram.</summary>
    public SocketStatus ReceiveFrom(Span<byte> buffer, out int received, out InetEndPoint from)
    {
        Libc.SockAddrInet address = default;
        fixed (byte* start = buffer)
        {
            IoVec vector = new((nint)start, (nuint)buffer.Length);
            Libc.MsgHdr message = new() { Name = &address, NameBytes = Libc.SockAddrInet.V6Bytes, Vectors = &vector, VectorCount = 1 };
            SocketStatus status = ReceiveMessage(&message, 0, out received);
            from = status == SocketStatus.Ok ? InetEndPoint.FromNative(address) : default;
            return status;
        }
    }

    /// <summary>Takes one ICMP error that came back, after <see cref="TuneDatagrams"/>.</summary>
    /// <param name="payload">Where the failed datagram's payload goes.</param>
    /// <param name="report">What it was.</param>
    /// <returns>False when there is none. An error without an ICMP message is skipped.</returns>
    public bool TryReceiveError(Span<byte> payload, out SocketErrorReport report)
    {
        byte* control = stackalloc byte[ControlBytes];
        fixed (byte* start = payload)
        {
            while (true)
            {
                Libc.SockAddrInet destination = default;
                IoVec vector = new((nint)start, (nuint)payload.Length);
                Libc.MsgHdr message = new()
                {
                    Name = &destination,
                    NameBytes = Libc.SockAddrInet.V6Bytes,
                    Vectors = &vector,
                    VectorCount = 1,
                    Control = control,
                    ControlBytes = ControlBytes,
                };
                report = default;
                if (ReceiveMessage(&message, Libc.MSG_ERRQUEUE, out int received) != SocketStatus.Ok) return false;
                if (TryReadReport(control, (int)message.ControlBytes, out report))
                {
                    report = report with { Destination = InetEndPoint.FromNative(destination), PayloadBytes = received };
                    return true;
                }
            }
        }
    }

    private static bool TryReadReport(byte* control, int controlBytes, out SocketErrorReport report)
    {
        report = default;
        int at = 0;
        while (controlBytes - at >= sizeof(Libc.CMsgHdr))
        {
            // SAFETY: the loop's condition and the checks below keep every read inside what the kernel filled in.
            Libc.CMsgHdr* header = (Libc.CMsgHdr*)(control + at);
            if (header->Bytes < (nuint)sizeof(Libc.CMsgHdr) || header->Bytes > (nuint)(controlBytes - at)) return false;
            int dataBytes = (int)header->Bytes - sizeof(Libc.CMsgHdr);
            bool isV6 = header->Level == Libc.IPPROTO_IPV6 && header->Type == Libc.IPV6_RECVERR;
            bool isV4 = header->Level == Libc.IPPROTO_IP && header->Type == Libc.IP_RECVERR;
            int nameBytes = (int)(isV6 ? Libc.SockAddrInet.V6Bytes : Libc.SockAddrInet.V4Bytes);
            if ((isV4 || isV6) && dataBytes >= sizeof(Libc.SockExtendedErr) + nameBytes)
            {
                Libc.SockExtendedErr* error = (Libc.SockExtendedErr*)(header + 1);
                Libc.SockAddrInet reporter = default;
                Buffer.MemoryCopy(error + 1, &reporter, sizeof(Libc.SockAddrInet), nameBytes);
                report = new(error->Type, error->Code, error->Info, InetEndPoint.FromNative(reporter) with { Port = 0 }, default, 0);
                return error->Origin == (isV6 ? Libc.SO_EE_ORIGIN_ICMP6 : Libc.SO_EE_ORIGIN_ICMP);
            }

            at += (int)(header->Bytes + 7 & ~(nuint)7);
        }

        return false;
    }

    private SocketStatus SendMessage(Libc.MsgHdr* message, out int sent)
    {
        while (true)
        {
            // SAFETY: the caller's header, name and pinned vectors outlive the call.
            nint count = Libc.Sendmsg(_fd, message, Libc.MSG_NOSIGNAL);
            sent = (int)Math.Max(0, count);
            if (count >= 0) return SocketStatus.Ok;
            if (!WasInterrupted()) return LastStatus();
        }
    }

    private SocketStatus ReceiveMessage(Libc.MsgHdr* message, int flags, out int received)
    {
        while (true)
        {
            // SAFETY: as in SendMessage; the kernel writes at most what the vectors cover.
            nint count = Libc.Recvmsg(_fd, message, flags);
            received = (int)Math.Max(0, count);
            if (count >= 0) return SocketStatus.Ok;
            if (!WasInterrupted()) return LastStatus();
        }
    }

    private static bool WasInterrupted() => Marshal.GetLastPInvokeError() == Errno.EINTR;
}
