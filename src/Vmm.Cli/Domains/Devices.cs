using System.CommandLine;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary>What block-attach, network-attach and their like have in common.</summary>
internal static class Devices
{
    private const int WaitSeconds = 10;

    /// <summary>Xen's numbers of a device's state: connected, closing.</summary>
    public static int StateOf(bool isLeaving) => isLeaving ? 5 : 4;

    /// <summary>A verb that gives a domain a device.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    /// <param name="kind">The kind of device.</param>
    /// <param name="words">What describes the device.</param>
    /// <param name="read">Makes the words of the option of <c>vmm run</c> of these.</param>
    public static Command Attach(string name, string description, string kind, Argument<string[]> words, Func<DomainFolder, string, string> read)
    {
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New(name, description, result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            string device = read(folder, string.Join(',', result.GetValue(words) ?? []));
            if (GlobalFlags.IsDryRun) result.InvocationConfiguration.Output.WriteLine(Parameters(kind, device));
            else DomainVerb.Tell(folder, (d, cancellation) => d.AddDeviceAsync(kind, DomainClient.Words(device), cancellation));
            return (int)ExitCode.Ok;
        }, domain, words);
    }

    /// <summary>A verb that takes a device from a domain.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    /// <param name="device">What names the device.</param>
    /// <param name="what">What it is, for messages.</param>
    /// <param name="find">Finds its id; null where there is none.</param>
    public static Command Detach(string name, string description, Argument<string> device, string what, Func<DomainFolder, string, string?> find)
    {
        Argument<string> domain = DomainVerb.Domain();
        Option<bool> force = new("--force", "-f") { Description = "Take it away at once: what the guest still asks of it fails, until the guest lets go of it." };
        return DomainVerb.New(name, description, result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            string asked = result.GetRequiredValue(device);
            Remove(folder, find(folder, asked) ?? throw new DomainException($"domain '{DomainVerb.NameOf(folder)}' has no {what} '{asked}'"), result.GetValue(force));
            return (int)ExitCode.Ok;
        }, force, domain, device);
    }

    /// <summary>A verb that lists devices of domains.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    /// <param name="titles">The first line.</param>
    /// <param name="ask">Asks a domain.</param>
    /// <param name="line">Adds the line of a device.</param>
    public static Command List<T>(string name, string description, string titles, Func<IDomainRpc, CancellationToken, Task<IReadOnlyList<T>>> ask, Action<StringBuilder, T> line)
    {
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New(name, description, result =>
        {
            StringBuilder text = new($"{titles}\n");
            foreach (DomainStatus domain in DomainStatus.Read(result.GetValue(names) ?? []))
            {
                foreach (T device in DomainVerb.Ask(domain.Folder, ask)) line(text, device);
            }

            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, names);
    }

    // Asks the guest to let a device go, and waits for that.
    private static void Remove(DomainFolder folder, string id, bool isForced)
    {
        RemovalAnswer answer = DomainVerb.Ask(folder, (d, cancellation) => d.RemoveDeviceAsync(id, WaitSeconds, isForced, cancellation));
        if (!answer.IsGone)
            throw new DomainRefusedException(ExitCode.Failed, $"the guest was asked to let '{id}' go and has not done so within {WaitSeconds} s; it goes at the next reset, or by --force");
    }

    // What device.add would be given.
    private static string Parameters(string kind, string device) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("kind", kind);
        json.WriteString("config", device);
        json.WriteEndObject();
    });
}
