using System.Buffers.Binary;
using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Dns;

namespace Vmm.Network.Xend.Server;

/// <summary>Passes guests' questions for names (RFC 1035, UDP) on to the host's name servers, each from a port of its own.</summary>
internal sealed class NameDatagrams : IDisposable
{
    private const int MostBytes = 65535, HeaderBytes = 12, MostQuestions = 256, AtOnce = 32;
    private const long PatienceNs = 5_000_000_000, LookEveryNs = 1_000_000_000;

    private readonly EpollLoop _loop;
    private readonly IClock _clock;
    private readonly Resolvers _resolvers;
    private readonly InetSocket _socket;
    private readonly EpollRegistration _registration;
    private readonly IClockTimer _timer;
    private readonly LinkedList<Question> _questions = [];
    private readonly byte[] _buffer = new byte[MostBytes];

    public NameDatagrams(EpollLoop loop, IClock clock, Resolvers resolvers, in InetEndPoint at, string bridge)
    {
        (_loop, _clock, _resolvers) = (loop, clock, resolvers);
        _socket = GuestServer.Open(SocketKind.Datagram, at, bridge, "DNS");
        _timer = clock.CreateTimer(Expire);
        _registration = loop.Add(_socket.Fd, EpollEvents.Readable, OnQuestion);
    }

    public void Dispose()
    {
        _timer.Dispose();
        _registration.Dispose();
        while (_questions.First is { } first) End(first);
        _socket.Dispose();
    }

    private void OnQuestion(EpollEvents events)
    {
        for (int i = 0; i < AtOnce; i++)
        {
            SocketStatus status = _socket.ReceiveFrom(_buffer, out int count, out InetEndPoint client);
            if (status != SocketStatus.Ok) return;
            if (count >= HeaderBytes) Ask(_buffer.AsSpan(0, count), client);
        }
    }

    private void Ask(ReadOnlySpan<byte> question, in InetEndPoint client)
    {
        if (!_resolvers.TryGet(out InetEndPoint server)) return;
        // The oldest gives way: its asker will ask again.
        if (_questions.Count == MostQuestions) End(_questions.First!);
        if (InetSocket.TryOpen(SocketKind.Datagram, server.IsIPv6, out InetSocket? socket) != SocketStatus.Ok) return;
        if (socket!.Connect(server) != SocketStatus.Ok || socket.Send(question, out _) != SocketStatus.Ok)
        {
            socket.Dispose();
            _resolvers.Rotate();
            return;
        }

        LinkedListNode<Question> node = new(new Question(client, BinaryPrimitives.ReadUInt16BigEndian(question), socket, _clock.NowNs + PatienceNs));
        try
        {
            node.Value.Registration = _loop.Add(socket.Fd, EpollEvents.Readable, _ => OnAnswer(node));
        }
        catch (LinuxException)
        {
            socket.Dispose();
            return;
        }

        _questions.AddLast(node);
        if (_questions.Count == 1) _timer.Arm(_clock.NowNs + LookEveryNs);
    }

    private void OnAnswer(LinkedListNode<Question> node)
    {
        Question question = node.Value;
        SocketStatus status = question.Socket.Receive(_buffer, out int count);
        if (status == SocketStatus.Pending) return;
        if (status == SocketStatus.Ok && (count < HeaderBytes || BinaryPrimitives.ReadUInt16BigEndian(_buffer) != question.Id)) return;
        if (status == SocketStatus.Ok) _ = _socket.SendTo(_buffer.AsSpan(0, count), question.Client);
        else _resolvers.Rotate();
        End(node);
    }

    private void Expire()
    {
        bool isLate = false;
        while (_questions.First is { } first && first.Value.UntilNs <= _clock.NowNs)
        {
            End(first);
            isLate = true;
        }

        if (isLate) _resolvers.Rotate();
        if (_questions.Count != 0) _timer.Arm(_clock.NowNs + LookEveryNs);
    }

    private void End(LinkedListNode<Question> node)
    {
        node.Value.Registration?.Dispose();
        node.Value.Socket.Dispose();
        _questions.Remove(node);
    }

    private sealed class Question(InetEndPoint client, ushort id, InetSocket socket, long untilNs)
    {
        public InetEndPoint Client => client;

        public ushort Id => id;

        public InetSocket Socket => socket;

        public long UntilNs => untilNs;

        public EpollRegistration? Registration { get; set; }
    }
}
