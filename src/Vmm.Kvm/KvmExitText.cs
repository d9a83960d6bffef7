using System.Globalization;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>Describes an exit that cannot be served, with its data, in one line.</summary>
internal static unsafe class KvmExitText
{
    private const int MaximumData = 16;

    public static string Describe(KvmRun* run) => run->ExitReason switch
    {
        KvmExitReason.KVM_EXIT_INTERNAL_ERROR when run->InternalSuberror == KvmRun.KVM_INTERNAL_ERROR_EMULATION
            => $"KVM cannot execute an instruction{Instruction(run)}",
        KvmExitReason.KVM_EXIT_INTERNAL_ERROR => $"KVM_EXIT_INTERNAL_ERROR suberror {run->InternalSuberror}{Data(run)}",
        KvmExitReason.KVM_EXIT_FAIL_ENTRY => string.Create(CultureInfo.InvariantCulture, $"KVM_EXIT_FAIL_ENTRY reason 0x{run->FailEntryReason:x}: the processor refused the guest's state"),
        KvmExitReason.KVM_EXIT_EXCEPTION => string.Create(CultureInfo.InvariantCulture, $"KVM_EXIT_EXCEPTION vector {run->Exception} error 0x{run->ExceptionErrorCode:x}"),
        KvmExitReason.KVM_EXIT_UNKNOWN => string.Create(CultureInfo.InvariantCulture, $"KVM_EXIT_UNKNOWN hardware reason 0x{run->HardwareExitReason:x}"),
        KvmExitReason.KVM_EXIT_SYSTEM_EVENT when run->SystemEventType == KvmRun.KVM_SYSTEM_EVENT_CRASH => "KVM_EXIT_SYSTEM_EVENT: the guest reports a crash",
        KvmExitReason.KVM_EXIT_SYSTEM_EVENT => $"KVM_EXIT_SYSTEM_EVENT type {run->SystemEventType}",
        KvmExitReason.KVM_EXIT_MEMORY_FAULT => string.Create(CultureInfo.InvariantCulture, $"KVM_EXIT_MEMORY_FAULT at guest address 0x{run->MemoryFaultAddress:x} flags 0x{run->MemoryFaultFlags:x}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"exit {run->ExitReason} of KVM is not known here, first data 0x{run->HardwareExitReason:x}"),
    };

    private static string Instruction(KvmRun* run)
    {
        bool hasBytes = run->InternalDataCount >= 1 && (run->EmulationFlags & KvmRun.KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0;
        if (!hasBytes) return " (its bytes cannot be fetched)";
        // SAFETY: the buffer has 15 bytes.
        return $" (bytes {Convert.ToHexStringLower(new ReadOnlySpan<byte>(run->EmulationInstruction, Math.Min((int)run->EmulationInstructionSize, 15)))})";
    }

    private static string Data(KvmRun* run)
    {
        string text = string.Empty;
        for (int i = 0; i < Math.Min(run->InternalDataCount, MaximumData); i++)
            text += string.Create(CultureInfo.InvariantCulture, $"{(i == 0 ? " data " : " ")}{run->InternalData[i]:x}");
        return text;
    }
}
