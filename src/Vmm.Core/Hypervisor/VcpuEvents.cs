namespace Vmm.Core.Hypervisor;

/// <summary>Events that are pending or under way at an instruction boundary.</summary>
public record struct VcpuEvents
{
    /// <summary>An exception to deliver before the next instruction.</summary>
    public bool ExceptionPending;

    /// <summary>Its vector.</summary>
    public byte ExceptionVector;

    /// <summary>True when it pushes <see cref="ExceptionErrorCode"/>.</summary>
    public bool ExceptionHasErrorCode;

    /// <summary>Error code.</summary>
    public uint ExceptionErrorCode;

    /// <summary>An external interrupt that was acknowledged but not yet delivered.</summary>
    public bool InterruptPending;

    /// <summary>Its vector.</summary>
    public byte InterruptVector;

    /// <summary>An NMI waits.</summary>
    public bool NmiPending;

    /// <summary>Inside an NMI handler: further NMIs wait for IRET.</summary>
    public bool NmiBlocked;

    /// <summary>The instruction after STI.</summary>
    public bool StiShadow;

    /// <summary>The instruction after MOV SS or POP SS.</summary>
    public bool MovSsShadow;
}
