using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>Peers that the test plays itself.</summary>
public sealed class FakeVsockHost : IVsockHost
{
    public HashSet<uint> Listening { get; } = [];

    public List<FakeVsockStream> Streams { get; } = [];

    public IVsockGuest? Guest { get; private set; }

    public void Attach(IVsockGuest guest) => Guest = guest;

    public IVsockStream? TryConnect(uint port) => Listening.Contains(port) ? New() : null;

    /// <summary>A peer that wants a port of the guest; null when there is no room.</summary>
    public FakeVsockStream? Ask(uint port)
    {
        FakeVsockStream stream = New();
        if (Guest!.TryOpen(port, stream)) return stream;
        stream.Dispose();
        return null;
    }

    public void Dispose() { }

    private FakeVsockStream New()
    {
        FakeVsockStream stream = new();
        Streams.Add(stream);
        return stream;
    }
}
