using Vmm.Host.Native;
using Vmm.Host.Sandbox;
using static Vmm.Host.Sandbox.SystemCallFilter;

namespace Vmm.Host.Tests.Sandbox;

/// <summary>The filter of what is compiled ahead of time, judged by a machine for it.</summary>
public class SystemCallFilterTests
{
    private const int ProcessId = 4711;
    private const uint Refused = SECCOMP_RET_ERRNO, ArchitectureI386 = 0x4000_0003;

    [Fact]
    public void Filter_OfAnotherArchitecture_KillsWhateverTheNumber()
    {
        BpfInstruction[] filter = Make(new SandboxPolicy());
        for (uint number = 0; number < 600; number++)
        {
            Assert.Equal(SECCOMP_RET_KILL_PROCESS, Judge(filter, number, [], ArchitectureI386));
            Assert.Equal(SECCOMP_RET_KILL_PROCESS, Judge(filter, number | X32Bit, []));
        }
    }

    [Fact]
    public void Filter_OfAnyNumber_LetsThroughOnlyWhatIsListed()
    {
        BpfInstruction[] filter = Make(new SandboxPolicy { MakesCode = false });
        string[] passed = [.. Enumerable.Range(0, 2000).Where(number => Judge(filter, (uint)number, []) == SECCOMP_RET_ALLOW).Select(number => $"{(SystemCall)number}")];
        // No name of a call that is not known here: each has been thought of.
        Assert.DoesNotContain(passed, name => char.IsAsciiDigit(name[0]));
        Assert.Subset(Enum.GetNames<SystemCall>().ToHashSet(), passed.ToHashSet());
        foreach (SystemCall call in new[] { SystemCall.socket, SystemCall.connect, SystemCall.bind, SystemCall.execve, SystemCall.io_uring_setup, SystemCall.unlinkat, SystemCall.clone3 })
            Assert.DoesNotContain($"{call}", passed);
        Assert.Equal(Refused | Errno.ENOSYS, Judge(filter, 1999, []));
    }

    [Theory]
    [InlineData(Libc.PROT_READ | Libc.PROT_WRITE, SECCOMP_RET_ALLOW)]
    [InlineData(Libc.PROT_READ | Libc.PROT_EXEC, Refused | Errno.EPERM)]
    [InlineData(Libc.PROT_READ | Libc.PROT_WRITE | Libc.PROT_EXEC, Refused | Errno.EPERM)]
    public void Memory_ThatCanBeExecuted_IsNotMade(int protection, uint verdict)
    {
        BpfInstruction[] filter = Make(new SandboxPolicy { MakesCode = false });
        Assert.Equal(verdict, Judge(filter, SystemCall.mmap, 0, 4096, (ulong)protection));
        Assert.Equal(verdict, Judge(filter, SystemCall.mprotect, 0, 4096, (ulong)protection));
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(Make(new SandboxPolicy { MakesCode = true }), SystemCall.mmap, 0, 4096, (ulong)protection));
    }

    [Fact]
    public void Clone_OfThreads_PassesAndOfProcessesAndNamespacesDoesNot()
    {
        BpfInstruction[] filter = Make(new SandboxPolicy());
        // What glibc passes for a thread.
        const ulong Thread = 0x3d0f00;
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(filter, SystemCall.clone, Thread));
        Assert.Equal(Refused | Errno.EPERM, Judge(filter, SystemCall.clone, 0x0120_0011));
        for (int bit = 0; bit < 32; bit++)
        {
            bool isNamespace = (0x7e02_0080UL >> bit & 1) != 0, isNeeded = bit is 8 or 16;
            Assert.Equal(isNamespace ? Refused | Errno.EPERM : SECCOMP_RET_ALLOW, Judge(filter, SystemCall.clone, Thread | 1UL << bit));
            if (isNeeded) Assert.Equal(Refused | Errno.EPERM, Judge(filter, SystemCall.clone, Thread & ~(1UL << bit)));
        }
    }

    [Fact]
    public void Signals_ToOthers_AreNotSent()
    {
        BpfInstruction[] filter = Make(new SandboxPolicy());
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(filter, SystemCall.tgkill, ProcessId, 1, 34));
        Assert.Equal(Refused | Errno.EPERM, Judge(filter, SystemCall.tgkill, 1, 1, 9));
        Assert.Equal(SECCOMP_RET_KILL_PROCESS, Judge(filter, SystemCall.tkill, ProcessId));
    }

    [Fact]
    public void Names_WithoutLandlock_AreOpenedOnlyByWhoHasSome()
    {
        Assert.Equal(Refused | Errno.EACCES, Judge(Make(new SandboxPolicy { MakesCode = false }, hasLandlock: false), SystemCall.openat));
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(Make(new SandboxPolicy { MakesCode = false, ServesFiles = true }, hasLandlock: false), SystemCall.openat));
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(Make(new SandboxPolicy { MakesCode = false }), SystemCall.openat));
        Assert.Equal(Refused | Errno.ENOSYS, Judge(Make(new SandboxPolicy()), SystemCall.unlinkat));
        Assert.Equal(SECCOMP_RET_ALLOW, Judge(Make(new SandboxPolicy { ServesFiles = true }), SystemCall.unlinkat));
    }

    [Fact]
    public void Filter_OfEveryPolicy_IsTakenByTheKernel()
    {
        foreach (bool all in new[] { false, true })
        {
            BpfInstruction[] filter = Make(new SandboxPolicy { UsesInet = all, UsesUnixSockets = all, ServesFiles = all, MakesRings = all });
            Assert.InRange(filter.Length, 100, 4096);
            // The last one ends every path.
            Assert.Equal(BpfCode.Return, filter[^1].Code);
        }
    }

    private static BpfInstruction[] Make(SandboxPolicy policy, bool hasLandlock = true) => Assemble(SystemCallPolicy.Rules(policy, hasLandlock, ProcessId));

    private static uint Judge(BpfInstruction[] filter, SystemCall call, params ulong[] arguments) => Judge(filter, (uint)call, arguments);

    /// <summary>What the kernel's interpreter does with struct seccomp_data.</summary>
    private static uint Judge(BpfInstruction[] filter, uint number, ulong[] arguments, uint architecture = AUDIT_ARCH_X86_64)
    {
        uint[] data = new uint[16];
        (data[0], data[1]) = (number, architecture);
        for (int i = 0; i < arguments.Length; i++) (data[4 + 2 * i], data[5 + 2 * i]) = ((uint)arguments[i], (uint)(arguments[i] >> 32));
        uint accumulator = 0;
        for (int at = 0; ; at++)
        {
            BpfInstruction next = filter[at];
            switch (next.Code)
            {
                case BpfCode.Load:
                    accumulator = data[next.Operand / 4];
                    break;
                case BpfCode.And:
                    accumulator &= next.Operand;
                    break;
                case BpfCode.JumpIfEqual:
                    at += accumulator == next.Operand ? next.IfTrue : next.IfFalse;
                    break;
                case BpfCode.JumpIfAtLeast:
                    at += accumulator >= next.Operand ? next.IfTrue : next.IfFalse;
                    break;
                case BpfCode.Return:
                    return next.Operand;
            }
        }
    }
}
