namespace Vmm.Core.Hypervisor;

/// <summary>What became of one instruction handed to an <see cref="IInstructionEmulator"/>.</summary>
public readonly record struct EmulationResult
{
    /// <summary>
    /// The instruction is done: RIP stands behind it, or an exception that it raised stands in <see cref="VcpuState.Events"/>
    /// with RIP where the architecture says.
    /// </summary>
    public static EmulationResult Done => default;

    /// <summary>The instruction cannot be executed; the state is as it was.</summary>
    /// <param name="reason">One line that names the instruction and why.</param>
    public static EmulationResult Failed(string reason) => new() { FailureReason = reason };

    /// <summary>Null when done.</summary>
    public string? FailureReason { get; private init; }

    /// <summary>True when the instruction was executed (or raised its exception).</summary>
    public bool IsDone => FailureReason is null;
}
