using Vmm.Host;

namespace Vmm.Machine;

/// <summary>What a machine needs of the process it lives in.</summary>
/// <param name="Loop">Where descriptors and timers are served.</param>
/// <param name="Note">Takes one line for the user: never an error that ends the machine. Any thread.</param>
/// <param name="Leave">Called when the user asks to leave on the console. The event loop's thread.</param>
public sealed record MachineHost(EpollLoop Loop, Action<string> Note, Action Leave);
