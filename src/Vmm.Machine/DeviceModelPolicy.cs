using Vmm.Host.Sandbox;
using Vmm.Machine.Config;
using Vmm.Network.User;

namespace Vmm.Machine;

/// <summary>What a process that serves devices still needs when their host ends are open.</summary>
public static class DeviceModelPolicy
{
    private const string Settings = "/etc";
    private const int FirstFreePort = 1024;

    /// <summary>For these devices.</summary>
    public static SandboxPolicy For(IEnumerable<DeviceConfig> devices)
    {
        DeviceConfig[] all = [.. devices];
        ShareConfig[] shares = [.. all.OfType<ShareConfig>()];
        NetLinkConfig[] links = [.. all.OfType<NetConfig>().Select(net => net.Link)];
        UserLinkConfig[] users = [.. links.OfType<UserLinkConfig>()];
        StreamLinkConfig[] streams = [.. links.OfType<StreamLinkConfig>()];
        return new SandboxPolicy
        {
            Paths =
            [
                .. shares.Select(share => new SandboxPath(share.Path, share.ReadOnly ? SandboxAccess.Read : SandboxAccess.Tree)),
                .. users.Select(Resolver),
                .. streams.Where(stream => stream.IsServer).Select(stream => new SandboxPath(FolderOf(stream.Path), SandboxAccess.Sockets)),
            ],
            UsesInet = users.Length != 0,
            UsesLowPorts = all.OfType<NetConfig>().Any(HasLowPorts),
            UsesEcho = users.Any(user => !user.Restrict),
            UsesUnixSockets = all.OfType<VsockConfig>().Any() || streams.Length != 0,
            ServesFiles = shares.Length != 0,
            MakesDevices = shares.Any(share => share.Devices),
        };
    }

    /// <summary>The list of name servers is read again when it changes, which mostly means that another file takes its place.</summary>
    private static SandboxPath Resolver(UserLinkConfig user)
    {
        string path = user.ResolverFile ?? UserNetOptions.HostResolverFile;
        string target = Path.GetFullPath(path);
        try
        {
            target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? target;
        }
        catch (IOException)
        {
            // There is none.
        }

        // A folder of its own is that of a name service; in this one lies all else.
        string folder = FolderOf(target);
        return new(folder == Settings || user.ResolverFile is not null ? target : folder, SandboxAccess.Read);
    }

    private static bool HasLowPorts(NetConfig net) => net.Link is UserLinkConfig user && user.ToOptions(net).Forwards.Any(forward => forward.HostPort < FirstFreePort);

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
}
