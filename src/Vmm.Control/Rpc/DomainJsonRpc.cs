using StreamJsonRpc;
using StreamJsonRpc.Protocol;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Storage;

namespace Vmm.Control.Rpc;

/// <summary>One client's connection: errors carry a code, their causes and the end of the log.</summary>
internal sealed class DomainJsonRpc(IJsonRpcMessageHandler handler, Func<IReadOnlyList<string>> log) : JsonRpc(handler)
{
    /// <inheritdoc/>
    protected override JsonRpcError.ErrorDetail CreateErrorDetails(JsonRpcRequest request, Exception exception)
    {
        List<string> causes = [];
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException) causes.Add(cause.Message.ReplaceLineEndings(" "));
        return new JsonRpcError.ErrorDetail
        {
            Code = (JsonRpcErrorCode)CodeOf(exception),
            Message = causes[0],
            Data = new RpcErrorData(causes, log()),
        };
    }

    private static RpcErrorCode CodeOf(Exception exception) => exception switch
    {
        RpcException e => e.Code,
        ArgumentException => RpcErrorCode.InvalidParameters,
        DeviceException or StateException => RpcErrorCode.WrongState,
        HypervisorException or LinuxException or ImageException or IOException or UnauthorizedAccessException => RpcErrorCode.HostRefused,
        _ => RpcErrorCode.InternalError,
    };
}
