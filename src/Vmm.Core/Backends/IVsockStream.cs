using Vmm.Core.Memory;

namespace Vmm.Core.Backends;

/// <summary>
/// The host's end of one connection. One thread at a time; nothing blocks or throws because of the peer. With <see cref="VsockKind.Seqpacket"/>
/// each call is one message, which is sent whole or not at all.
/// </summary>
public interface IVsockStream : IDisposable
{
    /// <summary>What it carries.</summary>
    VsockKind Kind { get; }

    /// <summary>Begins to say when to try again after <see cref="VsockStreamStatus.Pending"/>, or that the peer has gone.</summary>
    /// <param name="ready">Any thread; may be called for nothing, also shortly after Dispose.</param>
    void Attach(Action ready);

    /// <summary>The guest has accepted what this peer asked for.</summary>
    /// <param name="port">The host's port in this connection.</param>
    void Accepted(uint port);

    /// <summary>Sends as much as the peer takes now.</summary>
    VsockStreamStatus Send(ReadOnlySpan<IoVec> from, out int sent);

    /// <summary>Sends as much as the peer takes now of bytes that lie in two places.</summary>
    VsockStreamStatus Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out int sent);

    /// <summary>Takes what the peer has sent; not into nothing.</summary>
    VsockStreamStatus Receive(ReadOnlySpan<IoVec> into, out int received);

    /// <summary>Takes what the peer has sent; not into nothing. A message that does not fit breaks the connection.</summary>
    VsockStreamStatus Receive(Span<byte> into, out int received);

    /// <summary>Says that no more will be sent.</summary>
    void CloseSend();

    /// <summary>Whether the peer has gone altogether, though it may have left something to receive.</summary>
    bool IsPeerGone { get; }
}
