using Vmm.Network.Xend;

namespace Vmm.Machine;

/// <summary>The domain that a machine belongs to: what its interfaces on the host are named after.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Its UUID.</param>
public sealed record DomainIdentity(int Id, string Name, Guid Uuid)
{
    /// <summary>Where the host's networks are written down.</summary>
    public string NetworkFolder { get; init; } = NetworkStore.DefaultFolder;
}
