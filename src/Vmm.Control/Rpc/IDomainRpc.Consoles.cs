using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <content>The serial ports and consoles of the domain.</content>
public partial interface IDomainRpc
{
    /// <summary>The serial ports and the ports of the virtio console.</summary>
    [JsonRpcMethod("console.list")]
    Task<IReadOnlyList<ConsoleEntry>> GetConsolesAsync(CancellationToken cancellation);

    /// <summary>
    /// From now on, the console's output comes to this client by the notification console.output: first what is kept of earlier output, then what follows.
    /// A client that does not read loses output, which the next notification says.
    /// </summary>
    /// <param name="console">Its name in console.list; the domain's console without it.</param>
    [JsonRpcMethod("console.attach")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task<ConsoleEntry> AttachConsoleAsync(string? console = null, CancellationToken cancellation = default);

    /// <summary>Sends no more output of a console.</summary>
    /// <param name="console">Its name; the domain's console without it.</param>
    [JsonRpcMethod("console.detach")]
    [RpcErrors(RpcErrorCode.NotFound)]
    Task DetachConsoleAsync(string? console = null, CancellationToken cancellation = default);

    /// <summary>Types. Ends when the guest has room for all of it, or after a while; the answer says how many bytes were taken.</summary>
    /// <param name="data">The bytes in base64, 64 KiB at the most.</param>
    /// <param name="console">Its name; the domain's console without it.</param>
    [JsonRpcMethod("console.write")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task<int> WriteConsoleAsync(byte[] data, string? console = null, CancellationToken cancellation = default);

    /// <summary>Tells the guest the size of a virtio console's window.</summary>
    /// <param name="columns">Characters in a row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="console">Its name; the domain's console without it.</param>
    [JsonRpcMethod("console.resize")]
    [RpcErrors(RpcErrorCode.WrongState, RpcErrorCode.NotFound)]
    Task ResizeConsoleAsync(int columns, int rows, string? console = null, CancellationToken cancellation = default);
}
