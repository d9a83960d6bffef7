using System.Text.Json;
using System.Threading.Channels;
using StreamJsonRpc;
using Vmm.Control.Rpc;
using Vmm.Host.Serial;

namespace Vmm.Control.Domains;

/// <summary>
/// What one client is told without asking. It never holds up who tells: a client that does not read loses the newest events, and hears how many.
/// </summary>
internal sealed class ClientFeed : IDisposable
{
    private const int MostEvents = 256;

    private readonly Lock _gate = new();
    private readonly DomainHost _host;
    private readonly JsonRpc _client;
    private readonly Channel<DomainEvent> _events = Channel.CreateBounded<DomainEvent>(new BoundedChannelOptions(MostEvents) { SingleReader = true });
    private readonly Dictionary<string, ConsoleFeed> _consoles = [];
    private bool _isSubscribed, _isPumping, _isDisposed;
    private long _lost;
    private int _unsent;

    public ClientFeed(DomainHost host, JsonRpc client) => (_host, _client) = (host, client);

    /// <summary>Whether the client has been told all events so far.</summary>
    public bool IsIdle => Volatile.Read(ref _unsent) == 0;

    /// <summary>From now on, events go to the client.</summary>
    public void Subscribe()
    {
        lock (_gate)
        {
            if (_isSubscribed || _isDisposed) return;
            _isSubscribed = true;
            _host.Events.Raised += OnRaised;
            if (_isPumping) return;
            _isPumping = true;
            _ = PumpAsync();
        }
    }

    /// <summary>No more events.</summary>
    public void Unsubscribe()
    {
        lock (_gate)
        {
            if (!_isSubscribed) return;
            _isSubscribed = false;
            _host.Events.Raised -= OnRaised;
        }
    }

    /// <summary>From now on, a console's output goes to the client; what is kept comes again if it did already.</summary>
    public void Attach(string name, TappedChar tap)
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            Detach(name);
            _consoles.Add(name, new ConsoleFeed(name, tap, _client));
        }
    }

    /// <summary>No more output of a console.</summary>
    public void Detach(string name)
    {
        lock (_gate)
        {
            if (_consoles.Remove(name, out ConsoleFeed? feed)) feed.Dispose();
        }
    }

    public void Dispose()
    {
        Unsubscribe();
        lock (_gate)
        {
            _isDisposed = true;
            foreach (ConsoleFeed console in _consoles.Values) console.Dispose();
            _consoles.Clear();
        }

        _events.Writer.TryComplete();
    }

    private void OnRaised(DomainEvent one)
    {
        long lost = _lost;
        Interlocked.Increment(ref _unsent);
        if (_events.Writer.TryWrite(lost == 0 ? one : one with { Lost = lost }))
        {
            _lost = 0;
            return;
        }

        Interlocked.Decrement(ref _unsent);
        _lost++;
    }

    private async Task PumpAsync()
    {
        try
        {
            await foreach (DomainEvent one in _events.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                await SendAsync(one).ConfigureAwait(false);
                Interlocked.Decrement(ref _unsent);
            }
        }
        catch (Exception e) when (e is ConnectionLostException or ObjectDisposedException or IOException or OperationCanceledException)
        {
            // The client is gone.
        }
    }

    private Task SendAsync(DomainEvent one)
    {
        JsonElement properties = JsonSerializer.SerializeToElement(one, RpcJson.Default.DomainEvent);
        Dictionary<string, object?> values = properties.EnumerateObject().ToDictionary(property => property.Name, property => (object?)property.Value);
        return _client.NotifyWithParameterObjectAsync(IDomainNotifications.Event, values, values.ToDictionary(value => value.Key, _ => typeof(JsonElement)));
    }
}
