using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Vmm.Core.State;
using Vmm.DeviceModel.VhostUser.Client;

namespace Vmm.Machine.Served;

/// <summary>A device in the device model, with its state.</summary>
/// <param name="remote">The way to it.</param>
/// <param name="form">How the state is written; asked for when it is.</param>
internal sealed class RemoteDevice<TState>(IRemoteState remote, Func<JsonTypeInfo<TState>> form) : IStateful<TState> where TState : class
{
    /// <inheritdoc/>
    public TState Save()
    {
        try
        {
            return JsonSerializer.Deserialize(remote.Save(), form()) ?? throw new StateException("the device model gives no state");
        }
        catch (JsonException e)
        {
            throw new StateException($"the device model gives a state that makes no sense: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Restore(TState state) => remote.Restore(JsonSerializer.SerializeToUtf8Bytes(state, form()));
}
