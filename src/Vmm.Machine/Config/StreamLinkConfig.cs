using System.Text;

namespace Vmm.Machine.Config;

/// <summary>The other end of a Unix stream socket: another guest, on this monitor or on one that frames in the same way.</summary>
public sealed record StreamLinkConfig : NetLinkConfig
{
    private const int PathMaxBytes = 107;

    /// <summary>The socket.</summary>
    public required string Path { get; init; }

    /// <summary>This end listens, the other connects.</summary>
    public bool IsServer { get; init; }

    /// <inheritdoc/>
    internal override void Check(string path, NetConfig net, List<ConfigError> errors)
    {
        if (Path.Length == 0) errors.Add(new($"{path}.path", "is empty"));
        if (Encoding.UTF8.GetByteCount(Path) > PathMaxBytes) errors.Add(new($"{path}.path", $"a socket path has at most {PathMaxBytes} bytes"));
        if (net.Queues != 1) errors.Add(new($"{path}.queues", "a stream has one queue"));
    }

    /// <summary>Takes "path" and "server".</summary>
    internal static StreamLinkConfig Take(OptionText keys)
        => new() { Path = keys.Need("path", "the Unix socket between the two"), IsServer = keys.TakeSwitch("server") };
}
