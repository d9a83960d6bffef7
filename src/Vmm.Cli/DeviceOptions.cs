using System.Collections.Immutable;
using System.CommandLine;
using Vmm.Machine.Config;

namespace Vmm.Cli;

/// <summary>The options of <c>vmm run</c> that name devices; each can be repeated.</summary>
internal sealed class DeviceOptions
{
    private readonly Option<string[]> _disk = new("--disk")
    {
        HelpName = "path=FILE,format=FORMAT",
        Description = "A virtio disk: format=raw, qcow2, vpc or vmdk; readonly=on, snapshot=on (writes are thrown away at the end), backing=on (let the image name "
            + "another one below it), cache=writeback|writethrough|none|unsafe, discard=unmap|ignore, aio=auto|io_uring|threads, serial=TEXT, queues=N, "
            + "queue-size=N, bps=SIZE, bps-burst=SIZE, iops=N, iops-burst=N (limits a second), process=on (see --device-model), id=NAME. Two commas stand for one in a value.",
    };

    private readonly Option<string[]> _net = new("--net")
    {
        HelpName = "user|tap|stream,…",
        Description = "A virtio network device. user[,net=10.0.2.0/24][,host=IP][,dns=IP][,dhcpstart=IP][,ipv6=off][,hostname=NAME][,domain=NAME][,restrict=on][,loopback=off]"
            + "[,hostfwd=tcp|udp:[IP]:PORT-[IP]:PORT]…: needs no privilege; tap,ifname=NAME (made when it is not there), bridge=NAME or tap,fd=N[:M…]; "
            + "stream,path=SOCKET[,server=on]: another guest. Each with mac=…, mtu=N, queues=N, queue-size=N, offload=off, pcap=FILE, "
            + "bps=RATE, pps=RATE (bytes and packets per second; rx-bps and so on for one direction, bps-burst and so on for bursts), process=on (see --device-model), id=NAME.",
    };

    private readonly Option<string[]> _rng = new("--rng")
    {
        HelpName = "id=NAME",
        Description = "A virtio entropy device, fed by the host's kernel. No value is needed.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string[]> _vsock = new("--vsock")
    {
        HelpName = "cid=N,path=SOCKET",
        Description = "A virtio socket device with the guest's context id (from 3). Host programs connect to SOCKET and write \"CONNECT <port>\"; guest programs "
            + "that connect to the host (cid 2) reach whoever listens on SOCKET_<port>. Also id=NAME.",
    };

    private readonly Option<string[]> _balloon = new("--balloon")
    {
        HelpName = "target=SIZE,stats=SECONDS",
        Description = "A virtio memory balloon: target=SIZE (what it takes from the guest), stats=SECONDS (how often the guest is asked how its memory is used), "
            + "reporting=on (the guest gives back what it has freed by itself), deflate-on-oom=on, id=NAME. No value is needed.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string[]> _share = new("--share")
    {
        HelpName = "path=DIR,tag=NAME",
        Description = "A directory of the host for the guest to mount with 'mount -t 9p -o trans=virtio,version=9p2000.L NAME /mnt': readonly=on, "
            + "devices=on (device nodes may be made), id=NAME.",
    };

    private readonly Option<string[]> _pmem = new("--pmem")
    {
        HelpName = "path=FILE,size=SIZE",
        Description = "A file as persistent memory, /dev/pmem0 in the guest: size= makes it or makes it larger; readonly=on (what the guest writes is "
            + "thrown away at the end), id=NAME.",
    };

    private readonly Option<string[]> _vhostUser = new("--vhost-user")
    {
        HelpName = "socket=PATH,type=KIND",
        Description = "A device that another process serves by the vhost-user protocol, such as 'vmm device-model', virtiofsd or qemu-storage-daemon: type=blk, net or "
            + "fs (with tag=NAME: 'mount -t virtiofs NAME /mnt' in the guest); queues=N, queue-size=N, mac=… (net), id=NAME.",
    };

    private readonly Option<string[]> _console = new("--console")
    {
        HelpName = "WHERE[,name=NAME]",
        Description = $"A port of the virtio console: {SerialConfig.Forms}. Without a name it is /dev/hvc0, the next /dev/hvc1 and so on; with one, programs in the "
            + "guest find it as /dev/virtio-ports/NAME. log=FILE appends all output to a file, log-max=SIZE bounds it (the part before is FILE.1).",
    };

    /// <summary>All of them, in the order of the help.</summary>
    public IEnumerable<Option> All => [_disk, _net, _rng, _vsock, _balloon, _share, _pmem, _vhostUser, _console];

    /// <summary>The configuration with the devices that the options name.</summary>
    public MachineConfig AddTo(MachineConfig config, ParseResult result, List<ConfigError> errors) => config with
    {
        Disks = Parse(_disk, result, errors, DiskConfig.Parse),
        Nets = Parse(_net, result, errors, NetConfig.Parse),
        Rngs = Parse(_rng, result, errors, RngConfig.Parse),
        Balloons = Parse(_balloon, result, errors, BalloonConfig.Parse),
        Vsocks = Parse(_vsock, result, errors, VsockConfig.Parse),
        Shares = Parse(_share, result, errors, ShareConfig.Parse),
        Pmems = Parse(_pmem, result, errors, PmemConfig.Parse),
        VhostUsers = Parse(_vhostUser, result, errors, VhostUserConfig.Parse),
        Console = ReadConsole(result, errors),
    };

    private ConsoleConfig? ReadConsole(ParseResult result, List<ConfigError> errors)
    {
        ImmutableArray<ConsolePortConfig> ports = Parse(_console, result, errors, ConsolePortConfig.Parse);
        return ports.Length == 0 ? null : new ConsoleConfig { Id = "console", Ports = ports };
    }

    private static ImmutableArray<T> Parse<T>(Option<string[]> option, ParseResult result, List<ConfigError> errors, Func<int, string, List<ConfigError>, T> parse)
    {
        string[] texts = result.GetValue(option) ?? [];
        // An option that stands there without a value is one device.
        if (texts.Length == 0 && result.GetResult(option) is { Implicit: false }) texts = [""];
        return [.. texts.Select((text, i) => parse(i, text, errors))];
    }
}
