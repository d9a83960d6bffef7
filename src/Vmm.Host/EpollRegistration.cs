namespace Vmm.Host;

/// <summary>A descriptor that an <see cref="EpollLoop"/> watches. Any thread may change or dispose it.</summary>
public sealed class EpollRegistration : IDisposable
{
    private readonly EpollLoop _loop;
    private readonly Action<EpollEvents> _handler;

    internal EpollRegistration(EpollLoop loop, ulong token, int fd, Action<EpollEvents> handler)
    {
        _loop = loop;
        Token = token;
        Fd = fd;
        _handler = handler;
    }

    internal ulong Token { get; }

    internal int Fd { get; }

    internal volatile bool IsRemoved;

    /// <summary>Changes what is watched for.</summary>
    /// <exception cref="LinuxException">The descriptor was closed behind the loop's back.</exception>
    public void Watch(EpollEvents events) => _loop.Change(this, events);

    /// <summary>No call of the handler begins after this, when it is called on the loop's thread; else one may be under way.</summary>
    public void Dispose() => _loop.Remove(this);

    internal void Handle(EpollEvents events) => _handler(events);
}
