using System.Buffers.Binary;
using Vmm.Cpu.Tests.Oracle.Generation;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>Cases on the host's own CPU.</summary>
internal sealed class NativeTarget : IOracleTarget
{
    private const byte JumpNear = 0xe9;
    private const byte JumpFar = 0xea;
    private const byte OperandSizePrefix = 0x66;

    private readonly NativeExecutor _executor;

    public NativeTarget(NativeExecutor executor)
    {
        _executor = executor;
        _executor.Memory.Code.Fill(OracleLayout.Hlt);
    }

    public Span<byte> Data => _executor.Memory.Data;

    public void Run(OracleCase test, out CaseOutcome outcome)
    {
        test.Data.CopyTo(_executor.Memory.Data);
        Span<byte> code = _executor.Memory.Code[(int)(test.Address - OracleLayout.Code)..];
        test.Code.CopyTo(code);
        int wayOut = WriteWayOut(test, code[test.Length..]);
        ulong end = test.Input.Rip + (ulong)test.Length;
        switch (test.Bitness)
        {
            case 64: _executor.Run64(test.Input, end, out outcome); break;
            case 32: _executor.RunCompatibility(test.Input, CompatibilitySegments.Flat32, (uint)end, out outcome); break;
            default: _executor.RunCompatibility(test.Input, CompatibilitySegments.Ldt16, (uint)end, out outcome); break;
        }

        code[..(test.Length + wayOut)].Fill(OracleLayout.Hlt);
        // Returning to a 16-bit stack segment leaves the upper half of RSP as the kernel had it.
        if (test.Bitness != 64) ClearUpperStackPointer(ref outcome);
        SetCodeSelector(test, ref outcome);
        outcome.EndAtHalt(test);
    }

    private static unsafe void ClearUpperStackPointer(ref CaseOutcome outcome) => outcome.State.Gpr[4] = (uint)outcome.State.Gpr[4];

    // The way out changes CS, and nothing else can: far transfers are not among the cases.
    private unsafe void SetCodeSelector(OracleCase test, ref CaseOutcome outcome)
        => outcome.State.Selectors[1] = test.Bitness switch { 64 => OracleLayout.UserCode64, 32 => OracleLayout.UserCode32, _ => OracleLayout.LdtCode16 };

    private int WriteWayOut(OracleCase test, Span<byte> code)
    {
        uint exit = _executor.ExitAddress;
        switch (test.Bitness)
        {
            case 64:
                code[0] = JumpNear;
                BinaryPrimitives.WriteUInt32LittleEndian(code[1..], exit - (test.Address + (uint)test.Length + 5));
                return 5;
            case 32:
                code[0] = JumpFar;
                BinaryPrimitives.WriteUInt32LittleEndian(code[1..], exit);
                BinaryPrimitives.WriteUInt16LittleEndian(code[5..], OracleLayout.UserCode64);
                return 7;
            default:
                code[0] = OperandSizePrefix;
                code[1] = JumpFar;
                BinaryPrimitives.WriteUInt32LittleEndian(code[2..], exit);
                BinaryPrimitives.WriteUInt16LittleEndian(code[6..], OracleLayout.UserCode64);
                return 8;
        }
    }
}
