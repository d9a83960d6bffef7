using Vmm.Core.Backends;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>Makes a network card what it was: name, address, ARP, switched on, in no bridge.</summary>
/// <param name="Index">Its number, which never changes.</param>
/// <param name="Name">Its name.</param>
/// <param name="Mac">Its address.</param>
/// <param name="IsUp">Whether it was on.</param>
/// <param name="HasArp">Whether it asked and answered by ARP.</param>
public sealed record RestoreLinkStep(int Index, string Name, string Mac, bool IsUp, bool HasArp) : UndoStep
{
    internal override string What => $"make {Name} what it was";

    internal override void Undo(UndoContext context)
    {
        RouteNetlink host = context.Host;
        // A card that was unplugged meanwhile cannot be put back.
        if (host.Links().FirstOrDefault(l => l.Index == Index) is not { } link || !MacAddress.TryParse(Mac, out MacAddress mac)) return;
        if (link.MasterIndex != 0) host.ChangeLink(link, new LinkChange { MasterIndex = 0 });
        if (link.Name != Name || link.Mac != mac || link.HasArp != HasArp)
        {
            host.ChangeLink(link, new LinkChange { IsUp = false });
            host.ChangeLink(link, new LinkChange { Mac = mac, HasArp = HasArp });
            if (link.Name != Name) host.ChangeLink(link, new LinkChange { Name = Name });
        }

        host.ChangeLink(link, new LinkChange { IsUp = IsUp });
    }
}
