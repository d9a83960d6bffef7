using System.Numerics;
using System.Text;
using Vmm.Core.Backends;
using Vmm.DeviceModel.VhostUser.Client;

namespace Vmm.Machine.Config;

/// <summary>A device that another process serves, behind a socket, by the vhost-user protocol.</summary>
public sealed record VhostUserConfig : DeviceConfig
{
    private const int MostQueues = 64, LeastQueueSize = 4, MostQueueSize = 1024, DefaultQueueSize = 256;

    /// <summary>The Unix socket at which the other process waits.</summary>
    public required string Socket { get; init; }

    /// <summary>What kind of device it is; the protocol does not tell.</summary>
    public VhostUserKind Type { get; init; }

    /// <summary>Request queues; null for as many as the back end has, one for each vCPU at most.</summary>
    public int? Queues { get; init; }

    /// <summary>Entries of each queue.</summary>
    public int QueueSize { get; init; } = DefaultQueueSize;

    /// <summary>By which the guest mounts a shared directory; null for other devices.</summary>
    public string? Tag { get; init; }

    /// <summary>The address of a network device; null for one that follows from the names of machine and device.</summary>
    public string? Mac { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "vhost-user";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Socket.Length == 0) errors.Add(new($"{path}.socket", "is empty"));
        if (Queues is < 1 or > MostQueues) errors.Add(new($"{path}.queues", $"{Queues} is not from 1 to {MostQueues}"));
        if (QueueSize is < LeastQueueSize or > MostQueueSize || !BitOperations.IsPow2(QueueSize))
            errors.Add(new($"{path}.queue-size", $"{QueueSize} is not a power of two from {LeastQueueSize} to {MostQueueSize}"));
        bool isShare = Type == VhostUserKind.FileSystem;
        if (isShare && Encoding.UTF8.GetByteCount(Tag ?? "") is 0 or > VhostUserOptions.MostTagBytes)
            errors.Add(new($"{path}.tag", $"a shared directory needs a name of 1 to {VhostUserOptions.MostTagBytes} bytes"));
        if (!isShare && Tag is not null) errors.Add(new($"{path}.tag", "only a shared directory (type=fs) has one"));
        if (Mac is not null && Type != VhostUserKind.Net) errors.Add(new($"{path}.mac", "only a network device (type=net) has one"));
        else if (Mac is not null && (!MacAddress.TryParse(Mac, out MacAddress mac) || mac.IsMulticast)) errors.Add(new($"{path}.mac", $"'{Mac}' is not the address of a device"));
    }

    /// <summary>Reads "socket=…,type=…".</summary>
    public static VhostUserConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"vhost-user[{index}]", text, errors);
        string socket = keys.Need("socket", "the Unix socket of the back end");
        if (!keys.Has("type")) keys.Refuse("type", "is missing: blk, net or fs; the protocol does not tell what a back end is");
        VhostUserConfig config = new()
        {
            Socket = socket,
            Type = keys.TakeChoice("type", ("blk", VhostUserKind.Block), ("net", VhostUserKind.Net), ("fs", VhostUserKind.FileSystem)),
            Queues = keys.TakeNumber("queues", 0, 1, MostQueues) is > 0 and int queues ? queues : null,
            QueueSize = keys.TakeNumber("queue-size", DefaultQueueSize, LeastQueueSize, MostQueueSize),
            Tag = keys.Take("tag"),
            Mac = keys.Take("mac"),
            Id = keys.Take("id") ?? $"vhost-user{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }
}
