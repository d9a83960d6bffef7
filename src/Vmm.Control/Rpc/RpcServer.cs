using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <summary>Serves JSON-RPC 2.0 on a Unix socket to this user and root. A client that misbehaves loses its connection and nothing else.</summary>
internal sealed class RpcServer : IDisposable
{
    private const int MostClients = 256, Backlog = 64;
    private const int SOL_SOCKET = 1, SO_PEERCRED = 17, CredentialsBytes = 12, UidOffset = 4;

    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(500);

    private readonly string _path;
    private readonly Func<JsonRpc, IRpcTarget> _target;
    private readonly ConcurrentDictionary<FramedMessageHandler, IRpcTarget> _served = new();
    private readonly Func<IReadOnlyList<string>> _log;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _accepting;
    private int _clients;

    /// <param name="path">Where the socket appears, in a folder of this user.</param>
    /// <param name="target">Makes the object that answers one client.</param>
    /// <param name="log">The last lines of the log, for errors.</param>
    /// <exception cref="SocketException">The path is taken or cannot be made.</exception>
    public RpcServer(string path, Func<JsonRpc, IRpcTarget> target, Func<IReadOnlyList<string>> log)
    {
        (_path, _target, _log) = (path, target, log);
        File.Delete(path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        _listener.Listen(Backlog);
        _accepting = AcceptAsync();
    }

    /// <summary>Gives what was said already a moment to reach the clients, takes no more of them and ends the connections.</summary>
    public void Dispose()
    {
        SpinWait.SpinUntil(() => _served.All(client => client.Key.IsIdle && client.Value.IsIdle), LastWords);
        _end.Cancel();
        _listener.Dispose();
        _accepting.Wait();
        File.Delete(_path);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(_end.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // No descriptor is free, or the client went away: others may come.
                await Task.Delay(TimeSpan.FromMilliseconds(100)).ConfigureAwait(false);
                continue;
            }

            if (!IsAllowed(client) || Interlocked.Increment(ref _clients) > MostClients)
            {
                Interlocked.Decrement(ref _clients);
                client.Dispose();
                continue;
            }

            _ = ServeAsync(client);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            using NetworkStream stream = new(client, ownsSocket: true);
            FramedMessageHandler handler = new(PipeWriter.Create(stream), PipeReader.Create(stream), RpcJson.NewFormatter());
            using DomainJsonRpc rpc = new(handler, _log);
            using IRpcTarget target = _target(rpc);
            rpc.AddLocalRpcTarget(RpcTargetMetadata.FromShape<IDomainRpc>(), target, null);
            _served[handler] = target;
            try
            {
                rpc.StartListening();
                await rpc.Completion.WaitAsync(_end.Token).ConfigureAwait(false);
            }
            finally
            {
                _served.TryRemove(handler, out _);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or BadRpcMessageException or ConnectionLostException)
        {
            // The client is gone, or said what nobody understands.
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
        }
    }

    // struct ucred: pid, uid, gid.
    private static bool IsAllowed(Socket client)
    {
        Span<byte> credentials = stackalloc byte[CredentialsBytes];
        if (client.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, credentials) < CredentialsBytes) return false;
        uint uid = BinaryPrimitives.ReadUInt32LittleEndian(credentials[UidOffset..]);
        return uid == 0 || uid == Host.HostFacts.UserId;
    }
}
