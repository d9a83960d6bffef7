using Vmm.Core.Backends;
using Vmm.Core.Time;

namespace Vmm.Network.User.Dhcp;

/// <summary>The wire that a DHCP server serves.</summary>
internal interface IDhcpLink
{
    UserNetOptions Options { get; }

    IClock Clock { get; }

    /// <summary>Addresses that can be leased at once, at most.</summary>
    int MostLeases { get; }

    /// <summary>
    /// Clients are told apart by their Ethernet addresses alone: where forwards lead to one guest's address, that must stay when its firmware,
    /// its initial RAM disk and its system ask one after the other, each with an identifier of its own.
    /// </summary>
    bool KnowsByMac { get; }

    /// <summary>The address that is kept for a machine; null for any.</summary>
    Ipv4Address? ReservedFor(MacAddress mac);

    /// <summary>Whether an address is kept for a machine.</summary>
    bool IsReserved(Ipv4Address address);

    /// <summary>An address has been given to a client.</summary>
    void Bound(Ipv4Address address, ReadOnlySpan<byte> identity);

    /// <summary>Sends an answer to the clients' port.</summary>
    /// <param name="to">The client's address.</param>
    /// <param name="mac">Its Ethernet address.</param>
    /// <param name="answersArp">It has that address already.</param>
    /// <param name="datagram">Room for the UDP header, then the answer.</param>
    void SendReply(Ipv4Address to, MacAddress mac, bool answersArp, Span<byte> datagram);
}
