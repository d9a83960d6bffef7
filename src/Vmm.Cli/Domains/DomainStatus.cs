using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary>A domain as it is now.</summary>
/// <param name="Folder">Where it is.</param>
/// <param name="Record">What is written down of it.</param>
/// <param name="Info">What it says itself; null where it does not answer.</param>
/// <param name="Vcpus">Its vCPUs; none where its guest has ended.</param>
internal sealed record DomainStatus(DomainFolder Folder, DomainRecord Record, DomainInfo? Info, IReadOnlyList<VcpuInfo> Vcpus)
{
    /// <summary>Its name; the one that it says itself is the newest.</summary>
    public string Name => Info?.Name ?? Record.Name;

    /// <summary>The domains of some names, or all.</summary>
    /// <exception cref="DomainException">One is not there.</exception>
    public static IReadOnlyList<DomainStatus> Read(IReadOnlyList<string> names)
    {
        DomainRegistry registry = DomainVerb.Registry();
        IEnumerable<DomainFolder> folders = names.Count == 0 ? registry.List() : names.Where(n => !DomainVerb.IsHost(n)).Select(registry.Find);
        // One that ended in between is left out.
        return [.. folders.Select(TryRead).OfType<DomainStatus>()];
    }

    /// <summary>Asks a domain; null when it is gone.</summary>
    public static DomainStatus? TryRead(DomainFolder folder)
    {
        DomainInfo? info = null;
        IReadOnlyList<VcpuInfo> vcpus = [];
        try
        {
            (info, vcpus) = DomainVerb.Ask(folder, async (domain, cancellation) =>
            {
                info = await domain.GetInfoAsync(cancellation).ConfigureAwait(false);
                return (info, info.State == DomainState.Ended ? [] : await domain.GetVcpusAsync(cancellation).ConfigureAwait(false));
            });
        }
        catch (Exception e) when (e is DomainException or DomainRefusedException)
        {
            // It is being made, ends just now, or hangs: the record says what there is to say.
        }

        return folder.TryRead() is { } record && folder.IsAlive ? new(folder, record, info, vcpus) : null;
    }
}
