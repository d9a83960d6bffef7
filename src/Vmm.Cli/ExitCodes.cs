using Vmm.Machine;

namespace Vmm.Cli;

/// <summary>The exit codes in words, and for the ends of a machine.</summary>
internal static class ExitCodes
{
    /// <summary>For --help.</summary>
    public const string Help = """
        Exit codes:
            0  the guest powered off (other verbs: done)
            1  a fault in vmm itself
            2  bad arguments, or a file that cannot be started
            3  the host lacks something or refused it
            4  the guest reset the machine (with --on-reboot exit)
            5  the guest crashed: triple fault
            6  the guest reports that it has panicked
            7  the guest's only vCPU halted with interrupts off (software CPU)
            8  a vCPU or the host could not go on
            9  the user left with Ctrl-]
        128+n  ended by signal n
        """;

    /// <summary>The code for an end by itself.</summary>
    public static ExitCode Of(MachineEnd end) => end switch
    {
        MachineEnd.PowerOff => ExitCode.Ok,
        MachineEnd.Reset => ExitCode.GuestReset,
        MachineEnd.TripleFault => ExitCode.TripleFault,
        MachineEnd.GuestPanic => ExitCode.GuestPanic,
        MachineEnd.Halted => ExitCode.GuestHalted,
        MachineEnd.Stopped => ExitCode.Left,
        _ => ExitCode.Failed,
    };
}
