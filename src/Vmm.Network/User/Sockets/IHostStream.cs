using Vmm.Core.Memory;
using Vmm.Host.Sockets;

namespace Vmm.Network.User.Sockets;

/// <summary>A connection, or one that is being made.</summary>
internal interface IHostStream : IHostSocket
{
    SocketStatus TakeError();

    SocketStatus Send(ReadOnlySpan<IoVec> vectors, out int sent);

    SocketStatus Send(ReadOnlySpan<byte> data, out int sent);

    /// <summary>0 bytes with Ok are the end.</summary>
    SocketStatus Receive(Span<byte> buffer, out int received);

    SocketStatus ShutdownWrite();

    /// <summary>Closes with a reset.</summary>
    void Abort();
}
