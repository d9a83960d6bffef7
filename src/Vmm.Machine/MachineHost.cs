using Vmm.Host;

namespace Vmm.Machine;

/// <summary>What a machine needs of the process it lives in.</summary>
/// <param name="Loop">Where descriptors and timers are served.</param>
/// <param name="Note">Takes one line for the user: never an error that ends the machine. Any thread.</param>
/// <param name="Leave">Called when the user asks to leave on the console. The event loop's thread.</param>
public sealed record MachineHost(EpollLoop Loop, Action<string> Note, Action Leave)
{
    /// <summary>
    /// Decides at every end of the guest, but one that was asked for by <see cref="GuestMachine.Stop"/>, whether it is started anew; null for what
    /// the configuration says of resets. On the thread of <see cref="GuestMachine.Run"/>, without locks; the guest stands still and can still be looked at.
    /// </summary>
    public Func<MachineOutcome, bool>? GoesOn { get; init; }

    /// <summary>Serial ports and consoles can be listened to and typed on by <see cref="GuestMachine.Consoles"/>, beside their host ends.</summary>
    public bool TapsConsoles { get; init; }

    /// <summary>This process may be killed while the guest goes on: what its devices have told the guest must be kept without them.</summary>
    public bool MayBeKilled { get; init; }

    /// <summary>The path of vmm, which the processes of devices are; null for what runs now.</summary>
    public string? Executable { get; init; }

    /// <summary>Told of devices that fail. Any thread; must not block.</summary>
    public Action<DeviceTrouble>? Trouble { get; init; }

    /// <summary>Opens the files of a disk's image (device, path, read-only, direct), where this process may not; null for this process.</summary>
    public Func<string, string, bool, bool, LinuxFile>? OpenFile { get; init; }

    /// <summary>The domain that the machine is; null for a guest in the foreground.</summary>
    public DomainIdentity? Domain { get; init; }
}
