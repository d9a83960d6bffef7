using System.CommandLine;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Cli;

/// <summary><c>vmm run</c>: a guest in the foreground.</summary>
internal static class RunCommand
{
    private const string Help = """

        Examples:
          vmm run --kernel out/guests/vmlinuz --initrd out/guests/initrd.img
              boots to a shell on this terminal; Ctrl-] leaves
          vmm run --kernel vmlinux --initrd initrd.img --append "console=ttyS0 quiet" --memory 1G --vcpus 2
          vmm run --kernel vmlinuz --serial unix:/tmp/guest.sock --serial file:/tmp/com2.log
              COM1 behind a socket (socat -,rawer UNIX:/tmp/guest.sock), COM2 to a file
          vmm run --kernel vmlinuz --cpu x86-64-v2,-aes --accel software --dry-run
              prints the configuration as JSON and starts nothing
          vmm run --kernel vmlinux --initrd debian.initrd.img --append "console=ttyS0 root=/dev/vda rw" \
                  --disk path=debian.qcow2,format=qcow2 --net user,hostfwd=tcp:127.0.0.1:2222-:22
              a system on a disk, on a network that needs no privilege; with --device-model on, a process of its own serves both
          vmm run --kernel vmlinuz --initrd initrd.img --vhost-user socket=/run/virtiofsd.sock,type=fs,tag=work
              a directory that virtiofsd shares: mount -t virtiofs work /mnt

        Every virtio device but the console takes transport=pci (the default) or transport=mmio.


        """;

    public static Command Create()
    {
        RunOptions options = new();
        Option<bool> dryRun = new("--dry-run") { Description = "Print the validated configuration as JSON and start nothing." };
        Option<bool> stats = new("--stats") { Description = "At the end, say how long the guest ran and what it cost." };
        Command command = new("run", "Run a guest in the foreground.");
        foreach (Option option in options.All) command.Options.Add(option);
        command.Options.Add(dryRun);
        command.Options.Add(stats);
        CommandLine.AppendToHelp(command, Help + ExitCodes.Help);
        command.SetAction(result =>
        {
            MachineConfig? config = options.Read(result, out IReadOnlyList<ConfigError> errors);
            foreach (ConfigError error in errors) StandardError.Error(error.ToString());
            if (config is null) return (int)ExitCode.BadArguments;
            if (!result.GetValue(dryRun)) return Run(config, result.GetValue(stats));
            result.InvocationConfiguration.Output.WriteLine(ConfigJson.Format(config));
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static int Run(MachineConfig config, bool stats)
    {
        GuestMachine? machine = null;
        int signal = 0;
        using EpollLoop loop = new("event loop", StandardError.Note);
        MachineHost host = new(loop, StandardError.Note, () => machine?.Stop("left with Ctrl-]"));
        MachineOutcome outcome;
        using (machine = new GuestMachine(config, host))
        {
            using SignalHandlers handlers = new((number, name) =>
            {
                // The second one does not wait for the guest.
                if (Interlocked.Exchange(ref signal, number) != 0) Environment.Exit((int)ExitCode.Signal + number);
                machine.Stop($"ended by {name}");
            });
            outcome = machine.Run();
            if (stats) StandardError.Note(machine.Statistics.ToString());
        }

        if (outcome.Dump is not null) StandardError.Line(outcome.Dump);
        ExitCode code = ExitCodes.Of(outcome.End);
        if (outcome.End is MachineEnd.PowerOff or MachineEnd.Reset or MachineEnd.Stopped) StandardError.Note(outcome.Reason);
        else StandardError.Error(outcome.Reason);
        return outcome.End == MachineEnd.Stopped && signal != 0 ? (int)ExitCode.Signal + signal : (int)code;
    }
}
