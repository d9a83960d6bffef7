using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>Peers that the test plays itself.</summary>
internal sealed class FakeVsockHost : IVsockHost
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
        return Guest!.TryOpen(port, stream) ? stream : null;
    }

    public void Dispose() { }

    private FakeVsockStream New()
    {
        FakeVsockStream stream = new();
        Streams.Add(stream);
        return stream;
    }
}
