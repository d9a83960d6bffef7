using Vmm.Core.Backends;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.Devices.Virtio;
using Vmm.Host;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>A device that another process serves.</summary>
internal sealed class VhostUserAttachment : IAttachment
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly VhostUserFrontEnd _frontEnd;

    private VhostUserAttachment(string id, Func<UnixChannel?> connect, VhostUserOptions options, MachineHost host)
    {
        Id = id;
        try
        {
            _frontEnd = new VhostUserFrontEnd(connect, options, host.Loop, Patience, line => host.Note($"{id}: {line}"));
        }
        catch (VhostUserException e)
        {
            throw new LinuxException($"{id}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <summary>Connects to a socket that somebody else serves.</summary>
    /// <exception cref="LinuxException">Nobody does, or not such a device.</exception>
    public static VhostUserAttachment Open(VhostUserConfig config, MachineConfig machine, MachineHost host)
    {
        MacAddress mac = config.Mac is not null && MacAddress.TryParse(config.Mac, out MacAddress given) ? given : NetAttachment.DefaultMac(machine.Name, config.Id);
        return new(config.Id, () => UnixChannel.TryConnect(config.Socket), new VhostUserOptions
        {
            Kind = config.Type,
            Queues = config.Queues,
            MostDefaultQueues = machine.Vcpus,
            QueueSize = (ushort)config.QueueSize,
            Tag = config.Tag ?? "",
            Mac = mac,
        }, host);
    }

    /// <summary>Has the process of the machine's own devices serve a disk or a network device.</summary>
    /// <param name="config">The device.</param>
    /// <param name="connect">Gives its connection.</param>
    /// <param name="machine">The machine.</param>
    /// <param name="host">The process around it.</param>
    /// <exception cref="LinuxException">It does not.</exception>
    public static VhostUserAttachment Open(DeviceConfig config, Func<UnixChannel?> connect, MachineConfig machine, MachineHost host) => new(config.Id, connect, new VhostUserOptions
    {
        Kind = config is DiskConfig ? VhostUserKind.Block : VhostUserKind.Net,
        Queues = config is DiskConfig disk ? disk.Queues ?? machine.Vcpus : null,
        QueueSize = (ushort)(config is DiskConfig sized ? sized.QueueSize : ((NetConfig)config).QueueSize),
    }, host);

    /// <summary>Whoever serves it says that it cannot serve a queue.</summary>
    public void Break(int queue, string why) => _frontEnd.Break(queue, why);

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => _frontEnd.CreateDevice(room.Memory);

    /// <summary>Makes the device for one life of the machine, with the way to its state.</summary>
    public IVirtioDevice Create(IDeviceRoom room, IRemoteState state) => _frontEnd.CreateDevice(room.Memory, state);

    /// <inheritdoc/>
    public void Dispose() => _frontEnd.Dispose();
}
