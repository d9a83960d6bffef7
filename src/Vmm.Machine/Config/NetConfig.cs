using System.Numerics;
using Vmm.Core.Backends;
using Vmm.Core.Time;

namespace Vmm.Machine.Config;

/// <summary>A virtio network device and the link behind it.</summary>
public sealed record NetConfig : DeviceConfig
{
    private const int MostQueues = 64, LeastQueueSize = 16, MostQueueSize = 1024, DefaultQueueSize = 256, LeastMtu = 68, MostMtu = 65535;

    // Seen from the guest. Those without a direction count for each that has none of its own.
    private static readonly RateLimitKeys BothKeys = new("pps"), ReceiveKeys = new("pps", "rx-"), SendKeys = new("pps", "tx-");

    /// <summary>Where the link ends.</summary>
    public required NetLinkConfig Link { get; init; }

    /// <summary>The guest's address; null for one that follows from the names of machine and device.</summary>
    public string? Mac { get; init; }

    /// <summary>The most bytes of a packet; null for what the link has.</summary>
    public int? Mtu { get; init; }

    /// <summary>Pairs of queues.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>Entries of each queue.</summary>
    public int QueueSize { get; init; } = DefaultQueueSize;

    /// <summary>Checksums and long packets are left to whoever does them best.</summary>
    public bool Offload { get; init; } = true;

    /// <summary>It is served by a process of its own; null for what the machine says.</summary>
    public bool? Process { get; init; }

    /// <summary>Where all frames are recorded from the beginning; null for nowhere.</summary>
    public string? Capture { get; init; }

    /// <summary>What the guest may receive.</summary>
    public RateLimits ReceiveLimits { get; init; }

    /// <summary>What the guest may send.</summary>
    public RateLimits SendLimits { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "net";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Mac is not null && !MacAddress.TryParse(Mac, out MacAddress mac)) errors.Add(new($"{path}.mac", $"'{Mac}' is no address; 52:54:00:12:34:56 would be"));
        else if (Mac is not null && MacAddress.TryParse(Mac, out mac) && (mac.IsMulticast || mac.Value == 0)) errors.Add(new($"{path}.mac", $"{Mac} is not the address of one device"));
        if (Mtu is < LeastMtu or > MostMtu) errors.Add(new($"{path}.mtu", $"{Mtu} is not from {LeastMtu} to {MostMtu}"));
        if (Queues is < 1 or > MostQueues) errors.Add(new($"{path}.queues", $"{Queues} is not from 1 to {MostQueues}"));
        if (QueueSize is < LeastQueueSize or > MostQueueSize || !BitOperations.IsPow2(QueueSize))
            errors.Add(new($"{path}.queue-size", $"{QueueSize} is not a power of two from {LeastQueueSize} to {MostQueueSize}"));
        if (Capture is "") errors.Add(new($"{path}.pcap", "is empty"));
        CheckLimits(path, ReceiveLimits, SendLimits, errors);
        Link.Check(path, this, errors);
    }

    /// <summary>Finds what is wrong with limits.</summary>
    internal static void CheckLimits(string path, RateLimits receive, RateLimits send, List<ConfigError> errors)
    {
        ReceiveKeys.Check(path, receive, errors);
        SendKeys.Check(path, send, errors);
    }

    /// <summary>Reads "user,hostfwd=…", "tap,ifname=…" and so on; "vif,bridge=…" is for domains.</summary>
    public static NetConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"net[{index}]", text, errors);
        NetLinkConfig link = keys.TakeKind("user", "tap", "stream", "vif") switch
        {
            "stream" => StreamLinkConfig.Take(keys),
            "user" => UserLinkConfig.Take(keys),
            "vif" => VifLinkConfig.Take(keys),
            _ => TapLinkConfig.Take(keys),
        };
        int queues = link is TapLinkConfig { Descriptors: { IsEmpty: false } descriptors } ? descriptors.Length : 1;
        NetConfig config = new()
        {
            Link = link,
            Mac = keys.Take("mac"),
            Mtu = keys.TakeNumber("mtu", 0, LeastMtu, MostMtu) is > 0 and int mtu ? mtu : null,
            Queues = keys.TakeNumber("queues", queues, 1, MostQueues),
            QueueSize = keys.TakeNumber("queue-size", DefaultQueueSize, LeastQueueSize, MostQueueSize),
            Offload = keys.TakeSwitch("offload", otherwise: true),
            Capture = keys.Take("pcap"),
            Process = keys.Has("process") ? keys.TakeSwitch("process") : null,
            ReceiveLimits = ReceiveKeys.Take(keys),
            SendLimits = SendKeys.Take(keys),
            Id = keys.Take("id") ?? $"net{index}",
            Transport = TransportKey.Take(keys),
        };
        RateLimits both = BothKeys.Take(keys);
        config = config with
        {
            ReceiveLimits = Fill(config.ReceiveLimits, both),
            SendLimits = Fill(config.SendLimits, both),
        };
        keys.Finish();
        return config;
    }

    private static RateLimits Fill(RateLimits own, RateLimits both)
        => new(own.Bytes.IsLimited ? own.Bytes : both.Bytes, own.Operations.IsLimited ? own.Operations : both.Operations);
}
