namespace Vmm.Core.Backends;

/// <summary>The guest end of a serial line.</summary>
public interface ICharReceiver
{
    /// <summary>Offers input. Called on the event-loop thread.</summary>
    /// <returns>How many bytes were taken; the rest is offered again after <see cref="ICharBackend.ReceiverReady"/>.</returns>
    int Receive(ReadOnlySpan<byte> data);
}
