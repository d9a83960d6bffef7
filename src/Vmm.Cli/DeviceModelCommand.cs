using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using Vmm.Host;
using Vmm.Host.Processes;
using Vmm.Host.Sandbox;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.Served;

namespace Vmm.Cli;

/// <summary><c>vmm device-model</c>: serves devices of a guest that is in another process.</summary>
internal static class DeviceModelCommand
{
    private const string Help = """

        Each device stands behind the socket that it is served on; it says the same as for 'vmm run'. It is served until SIGTERM; on
        connections that are handed down with --fd, until all of them have ended. A guest that loses its back end and finds another one at
        the socket goes on, and what was under way is done once.

        Examples:
          vmm device-model --socket /tmp/disk.sock --disk path=debian.qcow2,format=qcow2
              for 'vmm run --vhost-user socket=/tmp/disk.sock,type=blk', or for
              qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=m,size=1G,share=on -machine q35,memory-backend=m \
                  -chardev socket,id=c,path=/tmp/disk.sock -device vhost-user-blk-pci,chardev=c …
          vmm device-model --socket /tmp/a.sock --disk path=a.img,format=raw,queues=2 --socket /tmp/b.sock --net tap,ifname=tap0


        """;

    public static Command Create()
    {
        Option<string[]> sockets = new("--socket") { HelpName = "PATH", Description = "The Unix socket at which the device that follows is served." };
        Option<string[]> descriptors = new("--fd") { HelpName = "N", Description = "A connected Unix socket instead, as an open descriptor." };
        Option<string?> config = new("--config")
        {
            HelpName = "FILE",
            Description = "The devices of a machine in JSON, as 'vmm run --dry-run' prints it, one for each --socket or --fd in this order.",
        };
        Option<string?> name = new("--name") { HelpName = "NAME", Description = "The machine's name, from which addresses of network devices follow. [default: guest]" };
        Option<int?> control = new("--control") { HelpName = "N", Description = "A machine's own device model: the channel to the machine, as an open descriptor.", Hidden = true };
        Option<string?> sandbox = new("--sandbox") { HelpName = "on|off", Description = RunOptions.SandboxHelp };
        sandbox.AcceptOnlyFromAmong("on", "off");
        Command command = new("device-model", "Serve devices of a guest that is in another process (vhost-user).") { sockets, descriptors, config, name, sandbox, control };
        foreach (string kind in DeviceModelHost.Kinds)
            command.Options.Add(new Option<string[]>($"--{kind}") { HelpName = "…", Description = $"A device, as for 'vmm run --{kind}'.", Arity = ArgumentArity.ZeroOrMore });
        CommandLine.AppendToHelp(command, Help + ExitCodes.Help);
        command.SetAction(result =>
        {
            if (result.GetValue(control) is { } channel) return Obey(channel);
            List<ConfigError> errors = [];
            MachineConfig? machine = ReadMachine(result.GetValue(config), result.GetValue(name), errors);
            List<(string Place, DeviceConfig Device)> devices = machine is null ? [] : ReadDevices(result.Tokens, machine, result.GetValue(config) is not null, errors);
            if (result.GetValue(sandbox) == "off") machine = machine is null ? null : machine with { Unconfined = true };
            foreach (ConfigError error in errors) StandardError.Error(error.ToString());
            return errors.Count == 0 ? Run(machine!, devices) : (int)ExitCode.BadArguments;
        });
        return command;
    }

    private static MachineConfig? ReadMachine(string? path, string? name, List<ConfigError> errors)
    {
        if (path is null) return new MachineConfig { Name = name ?? "guest", Boot = new BootConfig { Kernel = "" } };
        try
        {
            return ConfigJson.Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            errors.Add(new("config", $"{path}: {e.Message}"));
            return null;
        }
    }

    /// <summary>What follows what counts here, so that the arguments are read in their order.</summary>
    private static List<(string Place, DeviceConfig Device)> ReadDevices(IReadOnlyList<Token> tokens, MachineConfig machine, bool isConfigured, List<ConfigError> errors)
    {
        List<string> places = [];
        List<DeviceConfig> devices = isConfigured ? [.. machine.Devices] : [];
        for (int i = 0; i < tokens.Count; i++)
        {
            if (tokens[i].Type != TokenType.Option) continue;
            string option = tokens[i].Value[2..];
            string value = i + 1 < tokens.Count && tokens[i + 1].Type == TokenType.Argument ? tokens[i + 1].Value : "";
            if (option is "socket" or "fd")
            {
                if (places.Count > devices.Count && !isConfigured) errors.Add(new(option, $"no device follows the place before ({places[^1]})"));
                places.Add($"{option}:{value}");
            }
            else if (DeviceModelHost.Kinds.Contains(option))
            {
                if (isConfigured) errors.Add(new(option, "all devices come from --config"));
                devices.Add(DeviceKinds.Parse(option, devices.Count, value, errors)!);
                if (devices.Count > places.Count) errors.Add(new(option, "--socket PATH or --fd N stands before each device"));
            }
        }

        if (places.Count == 0) errors.Add(new("socket", "where is the device served? --socket PATH or --fd N"));
        else if (places.Count != devices.Count) errors.Add(new("socket", $"{places.Count} places for {devices.Count} devices"));
        foreach (DeviceConfig device in devices.Where(device => !DeviceModelHost.CanServe(device))) errors.Add(new("config", $"'{device.Id}' is of a kind that cannot be served from here"));
        if (errors.Count == 0) errors.AddRange(ConfigValidator.ValidateDevices(devices));
        return errors.Count == 0 ? [.. places.Zip(devices)] : [];
    }

    /// <summary>Is the device model of one machine, until that lets go.</summary>
    private static int Obey(int channel)
    {
        ProcessPrivacy.Enter();
        // It was started by a link to what the machine's process runs.
        ProcessTitle.Set("vmm"u8);
        DeviceModelServer? server = null;
        using EpollLoop loop = new("event loop", line => server?.Note(line));
        using (server = new DeviceModelServer(UnixChannel.OfDescriptor(channel), loop))
        {
            using SignalHandlers handlers = new((_, _) => server.Stop());
            server.Run();
        }

        return (int)ExitCode.Ok;
    }

    private static int Run(MachineConfig machine, List<(string Place, DeviceConfig Device)> devices)
    {
        // Guest memory is mapped here: neither in dumps nor for others to look at.
        ProcessPrivacy.Enter();
        int signal = 0;
        using EpollLoop loop = new("event loop", StandardError.Note);
        using DeviceModelHost model = new(machine, new MachineHost(loop, StandardError.Note, () => { }) { MayBeKilled = true });
        using SignalHandlers handlers = new((number, _) =>
        {
            if (Interlocked.Exchange(ref signal, number) != 0) Environment.Exit((int)ExitCode.Signal + number);
            model.Stop();
        });
        foreach ((string place, DeviceConfig device) in devices)
        {
            string where = place[(place.IndexOf(':', StringComparison.Ordinal) + 1)..];
            if (place.StartsWith("socket:", StringComparison.Ordinal)) model.Listen(device, where);
            else if (int.TryParse(where, NumberStyles.None, CultureInfo.InvariantCulture, out int fd) && fd > 2) model.Serve(device, UnixChannel.OfDescriptor(fd));
            else throw new LinuxException($"--fd {where} is no number of a descriptor above 2");
        }

        // What is open stays open: images, TAP devices, sockets, rings.
        if (!machine.Unconfined) ProcessSandbox.Enter(DeviceModelPolicy.For(devices.Select(place => place.Device)));
        model.Wait();
        return signal == 0 ? (int)ExitCode.Ok : (int)ExitCode.Signal + signal;
    }
}
