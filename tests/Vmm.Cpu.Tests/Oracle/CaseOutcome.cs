using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle;

/// <summary>How a case ended: the registers, and the exception if it was not the HLT behind the code.</summary>
internal struct CaseOutcome
{
    /// <summary>Value of <see cref="Vector"/> when the code ran to a HLT outside of itself.</summary>
    public const int NoFault = -1;

    public MachineImage State;

    /// <summary>Exception vector, or <see cref="NoFault"/>.</summary>
    public int Vector;
    public uint ErrorCode;

    /// <summary>CR2, after a page fault.</summary>
    public ulong FaultAddress;

    /// <summary>Recognises the HLT that a case came to outside of its own code: that is no fault of the case.</summary>
    public void EndAtHalt(OracleCase test)
    {
        const int GeneralProtection = 13;
        ulong linear = State.Rip - test.Input.Rip + test.Address;
        bool isInCode = linear - OracleLayout.Code < OracleLayout.CodeSize;
        if (Vector != GeneralProtection || ErrorCode != 0 || !isInCode || test.Owns(linear)) return;
        Vector = NoFault;
        ErrorCode = 0;
        FaultAddress = 0;
    }
}
