using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>A serial line with nothing at its end.</summary>
public sealed class NullChar : ICharBackend
{
    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver) { }

    /// <inheritdoc/>
    public void ReceiverReady() { }

    /// <inheritdoc/>
    public void Dispose() { }
}
