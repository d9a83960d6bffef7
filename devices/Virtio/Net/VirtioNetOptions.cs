using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Net;

/// <summary>What a network device shows beside its link.</summary>
public sealed record VirtioNetOptions
{
    /// <summary>The address that the guest finds.</summary>
    public required MacAddress Mac { get; init; }

    /// <summary>The most bytes of a packet that the guest is told of, from 68 (IPv4's least) up; 0 to say nothing.</summary>
    public ushort Mtu { get; init; }

    /// <summary>Pairs of queues at most, from 1 to 64; no more are offered than the backend has.</summary>
    public int QueuePairs { get; init; } = 1;

    /// <summary>Entries of a queue: a power of two from 16 to 1024.</summary>
    public ushort QueueSize { get; init; } = 256;

    /// <summary>What is offered at most of what the backend can do.</summary>
    public NetOffloads Offloads { get; init; } = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso;

    /// <summary>The speed that the guest is told, in Mbit/s.</summary>
    public uint SpeedMbps { get; init; } = 10_000;
}
