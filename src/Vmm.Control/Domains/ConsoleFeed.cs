using System.Threading.Channels;
using StreamJsonRpc;
using Vmm.Control.Rpc;
using Vmm.Host.Serial;

namespace Vmm.Control.Domains;

/// <summary>One console's output on its way to one client: what is kept, then what follows, as fast as the client reads and no faster.</summary>
internal sealed class ConsoleFeed : IDisposable
{
    private const int MostBytes = 16 << 10, FewBytes = 1 << 10;

    // A guest writes its console byte by byte: after the first ones, the others are waited for a little.
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(10);

    private static readonly Dictionary<string, Type> Types = new() { ["console"] = typeof(string), ["data"] = typeof(byte[]), ["lost"] = typeof(long) };

    private readonly string _name;
    private readonly TappedChar _tap;
    private readonly JsonRpc _client;
    private readonly Channel<bool> _news = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private volatile bool _isOver;

    public ConsoleFeed(string name, TappedChar tap, JsonRpc client)
    {
        (_name, _tap, _client) = (name, tap, client);
        _news.Writer.TryWrite(true);
        tap.Written += OnWritten;
        _ = PumpAsync();
    }

    public void Dispose()
    {
        _isOver = true;
        _tap.Written -= OnWritten;
        _news.Writer.TryComplete();
    }

    private void OnWritten() => _news.Writer.TryWrite(true);

    private async Task PumpAsync()
    {
        byte[] buffer = new byte[MostBytes];
        long position = _tap.OldestKept;
        try
        {
            while (await _news.Reader.WaitToReadAsync().ConfigureAwait(false))
            {
                _news.Reader.TryRead(out _);
                int count;
                while (!_isOver && (count = _tap.Read(ref position, buffer, out long lost)) != 0)
                {
                    Dictionary<string, object?> values = new() { ["console"] = _name, ["data"] = buffer[..count], ["lost"] = lost };
                    await _client.NotifyWithParameterObjectAsync(IDomainNotifications.Output, values, Types).ConfigureAwait(false);
                    if (count < FewBytes) await Task.Delay(GatherTime).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is ConnectionLostException or ObjectDisposedException or IOException or OperationCanceledException)
        {
            // The client is gone.
        }
    }
}
