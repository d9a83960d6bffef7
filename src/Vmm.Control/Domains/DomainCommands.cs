using Vmm.Control.Rpc;

namespace Vmm.Control.Domains;

/// <summary>Answers a domain's socket.</summary>
internal sealed class DomainCommands(DomainHost host) : IDomainRpc
{
    public Task<DomainInfo> GetInfoAsync(CancellationToken cancellation) => Task.FromResult(host.Info);

    // On a thread of the pool: a pause waits for the vCPUs.
    public Task PauseAsync(CancellationToken cancellation) => Task.Run(() => host.SetPaused(true), CancellationToken.None);

    public Task UnpauseAsync(CancellationToken cancellation) => Task.Run(() => host.SetPaused(false), CancellationToken.None);

    public Task RenameAsync(string name, CancellationToken cancellation) => Task.Run(() => host.Rename(name), CancellationToken.None);

    public Task DestroyAsync(CancellationToken cancellation) => Task.Run(() => host.Destroy("destroyed"), CancellationToken.None);
}
