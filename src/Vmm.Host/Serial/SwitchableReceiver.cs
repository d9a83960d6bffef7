using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>Passes input on to whoever was attached last: a machine that restarts brings a new device.</summary>
internal sealed class SwitchableReceiver(ICharReceiver target) : ICharReceiver
{
    public ICharReceiver Target { get; set; } = target;

    public int Receive(ReadOnlySpan<byte> data) => Target.Receive(data);
}
