using System.IO.Pipelines;
using System.Net.Sockets;
using StreamJsonRpc;
using Vmm.Control.Domains;

namespace Vmm.Control.Rpc;

/// <summary>A connection to a domain's socket.</summary>
public sealed class DomainClient : IDisposable
{
    private readonly JsonRpc _rpc;

    /// <param name="folder">The domain.</param>
    /// <exception cref="DomainException">It does not answer.</exception>
    public DomainClient(DomainFolder folder)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(folder.Socket));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new DomainException($"domain {folder.Id} does not answer: {e.Message}", e);
        }

        NetworkStream stream = new(socket, ownsSocket: true);
        _rpc = new JsonRpc(new FramedMessageHandler(PipeWriter.Create(stream), PipeReader.Create(stream), RpcJson.NewFormatter()));
        Domain = _rpc.Attach<IDomainRpc>();
        _rpc.StartListening();
    }

    /// <summary>The domain's methods.</summary>
    public IDomainRpc Domain { get; }

    /// <inheritdoc/>
    public void Dispose() => _rpc.Dispose();
}
