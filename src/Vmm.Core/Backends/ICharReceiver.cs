namespace Vmm.Core.Backends;

/// <summary>The guest end of a serial line.</summary>
public interface ICharReceiver
{
    /// <summary>Whether <see cref="ReceiveBreak"/> means anything here.</summary>
    bool TakesBreaks => false;

    /// <summary>Offers input. Called on the event-loop thread.</summary>
    /// <returns>How many bytes were taken; the rest is offered again after <see cref="ICharBackend.ReceiverReady"/>.</returns>
    int Receive(ReadOnlySpan<byte> data);

    /// <summary>Offers a break: the line is held down for longer than a character lasts. Called on the event-loop thread.</summary>
    /// <returns>False when there is no room for it now; it is offered again after <see cref="ICharBackend.ReceiverReady"/>.</returns>
    bool ReceiveBreak() => true;
}
