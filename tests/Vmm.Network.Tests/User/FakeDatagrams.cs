using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.Tests.User;

/// <summary>A socket for datagrams; the test sees what was sent and answers.</summary>
internal sealed class FakeDatagrams(FakeHost host, SocketKind kind) : FakeSocket(host), IHostDatagrams
{
    private readonly Queue<(byte[] Data, InetEndPoint From)> _arrived = new();
    private readonly Queue<SocketErrorReport> _errors = new();

    public SocketKind Kind => kind;

    public List<(byte[] Data, InetEndPoint To)> Sent { get; } = [];

    public byte TimeToLive { get; private set; }

    public SocketStatus SendAnswer { get; set; } = SocketStatus.Ok;

    public void Arrive(byte[] data, InetEndPoint from)
    {
        _arrived.Enqueue((data, from));
        Tell(EpollEvents.Readable);
    }

    public void Fail(SocketErrorReport report)
    {
        _errors.Enqueue(report);
        Tell(EpollEvents.Error);
    }

    public SocketStatus SendTo(ReadOnlySpan<byte> data, in InetEndPoint to)
    {
        Assert.False(IsClosed, "sent after the close");
        if (SendAnswer == SocketStatus.Ok) Sent.Add((data.ToArray(), to));
        return SendAnswer;
    }

    public SocketStatus ReceiveFrom(Span<byte> buffer, out int received, out InetEndPoint from)
    {
        received = 0;
        from = default;
        if (!_arrived.TryDequeue(out (byte[] Data, InetEndPoint From) next)) return SocketStatus.Pending;
        received = Math.Min(next.Data.Length, buffer.Length);
        next.Data.AsSpan(0, received).CopyTo(buffer);
        from = next.From;
        return SocketStatus.Ok;
    }

    public bool TryReceiveError(Span<byte> payload, out SocketErrorReport report) => _errors.TryDequeue(out report);

    public void SetTimeToLive(byte hops) => TimeToLive = hops;
}
