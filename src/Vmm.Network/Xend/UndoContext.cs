using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>What undoing works with.</summary>
/// <param name="Host">The host's interfaces.</param>
/// <param name="Store">The other networks.</param>
/// <param name="Journal">Whose changes are taken back.</param>
internal sealed record UndoContext(RouteNetlink Host, NetworkStore Store, NetworkJournal Journal);
