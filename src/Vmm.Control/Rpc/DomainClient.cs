using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;
using StreamJsonRpc;
using StreamJsonRpc.Protocol;
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
        _rpc = new ClientRpc(new FramedMessageHandler(PipeWriter.Create(stream), PipeReader.Create(stream), RpcJson.NewFormatter()));
        Domain = _rpc.Attach<IDomainRpc>();
        _rpc.AddLocalRpcTarget(RpcTargetMetadata.FromShape<IDomainNotifications>(), new Notifications(this), null);
        _rpc.StartListening();
    }

    /// <summary>Something happened to the domain, after <see cref="IDomainRpc.SubscribeAsync"/>. In order, one after the other.</summary>
    public event Action<DomainEvent>? EventRaised;

    /// <summary>A console's output, after <see cref="IDomainRpc.AttachConsoleAsync"/>: its name, the bytes, and how many were lost before them.</summary>
    public event Action<string, byte[], long>? OutputReceived;

    /// <summary>The domain's methods.</summary>
    public IDomainRpc Domain { get; }

    /// <summary>Ends when the domain, or the connection to it, is gone.</summary>
    public Task Gone => _rpc.Completion;

    /// <summary>Words that describe a device, for <see cref="IDomainRpc.AddDeviceAsync"/>.</summary>
    public static JsonElement Words(string text) => JsonSerializer.SerializeToElement(text, RpcJson.Default.String);

    /// <summary>What a domain's error says beside its message; null for nothing.</summary>
    public static RpcErrorData? DetailsOf(RemoteInvocationException error) => error.DeserializedErrorData as RpcErrorData;

    /// <inheritdoc/>
    public void Dispose() => _rpc.Dispose();

    private sealed class Notifications(DomainClient owner) : IDomainNotifications
    {
        public Task OnEventAsync(DomainEvent happening)
        {
            owner.EventRaised?.Invoke(happening);
            return Task.CompletedTask;
        }

        public Task OnOutputAsync(string console, byte[] data, long lost)
        {
            owner.OutputReceived?.Invoke(console, data, lost);
            return Task.CompletedTask;
        }
    }

    /// <summary>Reads what an error carries as what a domain sends.</summary>
    private sealed class ClientRpc(IJsonRpcMessageHandler handler) : JsonRpc(handler)
    {
        protected override Type? GetErrorDetailsDataType(JsonRpcError error) => typeof(RpcErrorData);
    }
}
