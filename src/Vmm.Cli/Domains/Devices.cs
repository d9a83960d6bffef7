using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary>Taking devices from domains.</summary>
internal static class Devices
{
    private const int WaitSeconds = 10;

    /// <summary>Asks the guest to let a device go, and waits for that.</summary>
    /// <exception cref="DomainRefusedException">It has not done so after a while.</exception>
    public static void Remove(DomainFolder folder, string id)
    {
        RemovalAnswer answer = DomainVerb.Ask(folder, (d, cancellation) => d.RemoveDeviceAsync(id, WaitSeconds, cancellation));
        if (!answer.IsGone) throw new DomainRefusedException(ExitCode.Failed, $"the guest was asked to let '{id}' go and has not done so within {WaitSeconds} s; it goes at the next reset at the latest");
    }
}
