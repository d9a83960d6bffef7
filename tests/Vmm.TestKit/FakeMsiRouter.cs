using Vmm.Core.Interrupts;

namespace Vmm.TestKit;

/// <summary>An interrupt controller with routes, of which each counts what it does.</summary>
/// <param name="sink">Where messages go.</param>
public sealed class FakeMsiRouter(FakeMsi sink) : IMsiSink, IMsiRouter
{
    private const int FirstDescriptor = 1000;

    public List<Route> Routes { get; } = [];

    /// <summary>How many routes can be open.</summary>
    public int Limit { get; set; } = int.MaxValue;

    public void Signal(in MsiMessage message, ushort requesterId) => sink.Signal(message, requesterId);

    public IMsiRoute? TryCreateRoute()
    {
        Route route = new(this);
        Routes.Add(route);
        return route;
    }

    /// <summary>One route. What goes through it has no requester.</summary>
    public sealed class Route(FakeMsiRouter owner) : IMsiRoute
    {
        public int Descriptor { get; } = FirstDescriptor + owner.Routes.Count;

        public MsiMessage? Message { get; private set; }

        public bool IsPending { get; private set; }

        public bool IsDisposed { get; private set; }

        public void Signal()
        {
            if (Message is { } message) owner.Signal(message, 0);
            else IsPending = true;
        }

        public bool TryOpen(in MsiMessage message)
        {
            if (owner.Routes.Count(r => r.Message is not null && r != this) >= owner.Limit) return false;
            Message = message;
            if (IsPending) owner.Signal(message, 0);
            IsPending = false;
            return true;
        }

        public void Close() => Message = null;

        public void Dispose()
        {
            Close();
            IsDisposed = true;
        }
    }
}
