using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>Peers that the test plays itself.</summary>
public sealed class FakeVsockHost : IVsockHost
{
    public HashSet<uint> Listening { get; } = [];

    public List<FakeVsockStream> Streams { get; } = [];

    public IVsockGuest? Guest { get; private set; }

    public void Attach(IVsockGuest guest) => Guest = guest;

    public IVsockStream? TryConnect(uint port, VsockKind kind) => Listening.Contains(port) ? New(kind) : null;

    /// <summary>A peer that wants a port of the guest; null when there is no room.</summary>
    public FakeVsockStream? Ask(uint port, VsockKind kind = VsockKind.Stream)
    {
        FakeVsockStream stream = New(kind);
        if (Guest!.TryOpen(port, stream)) return stream;
        stream.Dispose();
        return null;
    }

    public void Dispose() { }

    private FakeVsockStream New(VsockKind kind)
    {
        FakeVsockStream stream = new() { Kind = kind };
        Streams.Add(stream);
        return stream;
    }
}
