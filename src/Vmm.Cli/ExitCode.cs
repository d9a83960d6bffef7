namespace Vmm.Cli;

/// <summary>How <c>vmm</c> ends. The values are part of its interface; <see cref="ExitCodes"/> explains them to the user.</summary>
internal enum ExitCode
{
    Ok = 0,

    /// <summary>A fault in vmm itself.</summary>
    Bug = 1,

    /// <summary>Bad arguments, or a file that cannot be started.</summary>
    BadArguments = 2,

    /// <summary>The host lacks something or refused it.</summary>
    HostRefused = 3,

    /// <summary>The guest reset the machine, with <c>--on-reboot exit</c>.</summary>
    GuestReset = 4,

    TripleFault = 5,
    GuestPanic = 6,
    GuestHalted = 7,

    /// <summary>A vCPU or the host could not go on.</summary>
    Failed = 8,

    /// <summary>Ctrl-].</summary>
    Left = 9,

    /// <summary>Plus the signal's number: ended by it.</summary>
    Signal = 128,
}
