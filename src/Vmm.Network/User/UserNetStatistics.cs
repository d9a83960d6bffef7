namespace Vmm.Network.User;

/// <summary>What a user-mode network has done, and what it holds.</summary>
/// <param name="FramesFromGuest">Frames that the guest sent.</param>
/// <param name="FramesToGuest">Frames that it got.</param>
/// <param name="DroppedFromGuest">Frames that were none, or for nobody.</param>
/// <param name="DroppedToGuest">Frames that found no room.</param>
/// <param name="TcpBytesFromGuest">Payload.</param>
/// <param name="TcpBytesToGuest">Payload.</param>
/// <param name="UdpBytesFromGuest">Payload.</param>
/// <param name="UdpBytesToGuest">Payload.</param>
/// <param name="TcpOpened">Connections that came to be.</param>
/// <param name="TcpRefused">Connections that did not.</param>
/// <param name="TcpRetransmitted">Times that a part had to be sent again.</param>
/// <param name="TcpNow">Connections at the moment.</param>
/// <param name="UdpNow">Flows of datagrams at the moment.</param>
/// <param name="EchoNow">Flows of echo requests at the moment.</param>
public readonly record struct UserNetStatistics(
    ulong FramesFromGuest, ulong FramesToGuest, ulong DroppedFromGuest, ulong DroppedToGuest, ulong TcpBytesFromGuest, ulong TcpBytesToGuest,
    ulong UdpBytesFromGuest, ulong UdpBytesToGuest, ulong TcpOpened, ulong TcpRefused, ulong TcpRetransmitted, int TcpNow, int UdpNow, int EchoNow);
