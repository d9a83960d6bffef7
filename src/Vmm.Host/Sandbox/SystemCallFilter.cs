using Vmm.Host.Native;

namespace Vmm.Host.Sandbox;

/// <summary>
/// Makes the program that judges system calls (seccomp(2), SECCOMP_SET_MODE_FILTER): a list of what is let through and of what ends the process.
/// All else is as if the kernel did not have it (ENOSYS), for which libraries are prepared when they try something new. Calls through the 32-bit and
/// the x32 entry, which number their calls in another way, end the process.
/// </summary>
internal static class SystemCallFilter
{
    /// <summary>Verdicts of linux/seccomp.h.</summary>
    public const uint SECCOMP_RET_KILL_PROCESS = 0x8000_0000, SECCOMP_RET_ERRNO = 0x0005_0000, SECCOMP_RET_ALLOW = 0x7fff_0000;

    /// <summary>The 64-bit entry of the kernel (linux/audit.h).</summary>
    public const uint AUDIT_ARCH_X86_64 = 0xc000_003e;

    /// <summary>Set in the numbers of x32's calls.</summary>
    public const uint X32Bit = 0x4000_0000;

    // struct seccomp_data: the number, the architecture, the instruction pointer, six arguments.
    private const uint NumberOffset = 0, ArchitectureOffset = 4, ArgumentsOffset = 16, ArgumentBytes = 8;
    private const int MostInstructions = 4096; // BPF_MAXINSNS

    /// <summary>The program for a list of rules; the first that names a call decides.</summary>
    public static BpfInstruction[] Assemble(IEnumerable<SystemCallRule> rules, uint otherwise = SECCOMP_RET_ERRNO | Errno.ENOSYS)
    {
        List<BpfInstruction> program =
        [
            Load(ArchitectureOffset),
            new(BpfCode.JumpIfEqual, 1, 0, AUDIT_ARCH_X86_64),
            Return(SECCOMP_RET_KILL_PROCESS),
            Load(NumberOffset),
            new(BpfCode.JumpIfAtLeast, 0, 1, X32Bit),
            Return(SECCOMP_RET_KILL_PROCESS),
        ];
        foreach (SystemCallRule rule in rules)
        {
            BpfInstruction[] body = [.. Body(rule)];
            program.Add(new(BpfCode.JumpIfEqual, 0, (byte)body.Length, (uint)rule.Call));
            program.AddRange(body);
        }

        program.Add(Return(otherwise));
        return program.Count <= MostInstructions ? [.. program] : throw new InvalidOperationException($"{program.Count} instructions are more than the kernel takes");
    }

    /// <summary>Has all threads of this process, and what they start, judged by a program from now on.</summary>
    /// <exception cref="LinuxException">The kernel does not take it.</exception>
    public static unsafe void Install(BpfInstruction[] program)
    {
        fixed (BpfInstruction* first = program)
        {
            Libc.SockFilterProgram description = new() { Length = (ushort)program.Length, Filter = (nint)first };
            // SAFETY: the program is pinned and the description a local; the kernel copies both. Threads that run are filtered, too.
            nint result = Libc.Syscall((nint)SystemCall.seccomp, Libc.SECCOMP_SET_MODE_FILTER, (nint)Libc.SECCOMP_FILTER_FLAG_TSYNC, (nint)(&description), 0, 0, 0);
            if (result < 0) throw LinuxException.FromLastError("filtering system calls");
            if (result > 0) throw new LinuxException($"filtering system calls: thread {result} has a filter of its own");
        }
    }

    private static IEnumerable<BpfInstruction> Body(SystemCallRule rule)
    {
        foreach (ArgumentTest test in rule.Alternatives)
        {
            yield return Load(ArgumentsOffset + (uint)test.Index * ArgumentBytes);
            yield return new(BpfCode.And, 0, 0, test.Mask);
            yield return new(BpfCode.JumpIfEqual, 0, 1, test.Value);
            yield return Return(SECCOMP_RET_ALLOW);
        }

        yield return Return(rule.Otherwise);
    }

    private static BpfInstruction Load(uint offset) => new(BpfCode.Load, 0, 0, offset);

    private static BpfInstruction Return(uint verdict) => new(BpfCode.Return, 0, 0, verdict);
}
