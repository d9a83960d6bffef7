namespace Vmm.Host.Sockets;

/// <summary>An ICMP message that came back for something that a socket had sent (IP_RECVERR of ip(7)).</summary>
/// <param name="Type">ICMP type.</param>
/// <param name="Code">ICMP code.</param>
/// <param name="Info">The path's MTU where the message tells one.</param>
/// <param name="Reporter">Who sent the message; port 0.</param>
/// <param name="Destination">Where the failed datagram was sent to.</param>
/// <param name="PayloadBytes">How much of the failed datagram's payload was filled in.</param>
public readonly record struct SocketErrorReport(
    byte Type, byte Code, uint Info, InetEndPoint Reporter, InetEndPoint Destination, int PayloadBytes);
