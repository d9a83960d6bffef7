namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>Fields of the state block, which emitted code addresses absolutely: no register need be given up for it.</summary>
internal static class StubLayout
{
    /// <summary>The <see cref="MachineImage"/> to load.</summary>
    public const uint Input = OracleLayout.StateBlock;

    /// <summary>The <see cref="MachineImage"/> stored.</summary>
    public const uint Output = OracleLayout.StateBlock + 0x400;

    private const uint Control = OracleLayout.StateBlock + 0x1000;
    public const uint HostRsp = Control;
    public const uint HostMxcsr = Control + 8;
    public const uint HostFcw = Control + 12;

    /// <summary>Non-zero from the moment guest registers are loaded until they are stored.</summary>
    public const uint Active = Control + 16;

    /// <summary>Non-zero when the handler ended the case; then the next four are valid.</summary>
    public const uint Faulted = Control + 20;
    public const uint FaultVector = Control + 24;
    public const uint FaultError = Control + 32;
    public const uint FaultAddress = Control + 40;
    public const uint FaultRip = Control + 48;
    public const uint HostFsBase = Control + 56;
    public const uint HostGsBase = Control + 64;

    /// <summary>m16:32 operand of the far jump into compatibility mode.</summary>
    public const uint FarTarget = Control + 72;

    /// <summary>What DS, ES and SS are set to for compatibility mode.</summary>
    public const uint DataSelector = Control + 80;
    public const uint StackSelector = Control + 84;

    /// <summary>The CS, GS, FS and SS words of a faulted case, as the kernel saved them.</summary>
    public const uint FaultSelectors = Control + 88;

    /// <summary>One pointer for each signal number: the handlers that were there before ours.</summary>
    public const uint OldHandlers = Control + 0x100;
}
