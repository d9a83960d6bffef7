using static Vmm.Cpu.Tests.Oracle.Native.LinuxNative;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>
/// Runs code on the host CPU with every user-visible register given, and tells how it ended. Faults come back through an emitted
/// signal handler; a fault that is not a case's own goes on to the runtime's handler. While one exists it changes process-wide signal
/// handling, and it belongs to the thread that made it; no test may run beside it.
/// </summary>
internal sealed unsafe class NativeExecutor : IDisposable
{
    private static readonly int[] Signals = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV];

    // sigset_t has 1024 bits, of which the kernel knows the first 64.
    private const int SignalSetWords = 16;

    private const int Ss = 2;

    private readonly StubAssembler _stubs;
    private readonly SigAction[] _oldActions = new SigAction[Signals.Length];
    private readonly delegate* unmanaged<void> _enter64;
    private readonly delegate* unmanaged<void> _enterCompatibility;
    private SignalStack _oldStack;
    private ulong _oldMask;

    public NativeExecutor()
    {
        HasSegmentBases = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) != 0;
        Memory = new NativeArena();
        _stubs = new StubAssembler(HasSegmentBases);
        NativeArena.InstallStubs(_stubs.Emit(OracleLayout.Stubs));
        _enter64 = (delegate* unmanaged<void>)(OracleLayout.Stubs + _stubs.Enter64);
        _enterCompatibility = (delegate* unmanaged<void>)(OracleLayout.Stubs + _stubs.EnterCompatibility);
        InstallSignals();
    }

    public NativeArena Memory { get; }

    /// <summary>Whether FS and GS bases can be set, so that their overrides can be tried.</summary>
    public bool HasSegmentBases { get; }

    /// <summary>Linear address of the code that ends a case.</summary>
    public uint ExitAddress => OracleLayout.Stubs + (uint)_stubs.Exit;

    /// <summary>Runs 64-bit code.</summary>
    /// <param name="input">Registers at the start; RIP is the address of the code, already in place.</param>
    /// <param name="end">RIP to report when the code ran to the jump behind it.</param>
    public void Run64(in MachineImage input, ulong end, out CaseOutcome outcome)
    {
        *(MachineImage*)StubLayout.Input = input;
        _enter64();
        Finish(end, out outcome);
    }

    /// <summary>Runs 32-bit or 16-bit code through a far jump.</summary>
    public void RunCompatibility(in MachineImage input, CompatibilitySegments segments, uint end, out CaseOutcome outcome)
    {
        *(MachineImage*)StubLayout.Input = input;
        *(uint*)StubLayout.FarTarget = (uint)input.Rip;
        *(ushort*)(StubLayout.FarTarget + 4) = segments.Code;
        *(uint*)StubLayout.DataSelector = segments.Data;
        *(uint*)StubLayout.StackSelector = segments.Stack;
        _enterCompatibility();
        Finish(end, out outcome);
    }

    public void Dispose()
    {
        for (int i = 0; i < Signals.Length; i++)
        {
            SigAction old = _oldActions[i];
            _ = sigaction(Signals[i], &old, null);
        }

        SignalStack stack = _oldStack;
        _ = sigaltstack(&stack, null);
        ulong* mask = stackalloc ulong[SignalSetWords];
        mask[0] = _oldMask;
        _ = pthread_sigmask(SIG_SETMASK, mask, null);
        Memory.Dispose();
    }

    private static void Finish(ulong end, out CaseOutcome outcome)
    {
        outcome.State = *(MachineImage*)StubLayout.Output;
        outcome.Vector = CaseOutcome.NoFault;
        outcome.ErrorCode = 0;
        outcome.FaultAddress = 0;
        outcome.State.Rip = end;
        if (*(uint*)StubLayout.Faulted == 0) return;
        outcome.Vector = *(int*)StubLayout.FaultVector;
        outcome.ErrorCode = *(uint*)StubLayout.FaultError;
        outcome.FaultAddress = *(ulong*)StubLayout.FaultAddress;
        outcome.State.Rip = *(ulong*)StubLayout.FaultRip;
        outcome.State.Selectors[Ss] = (ushort)(*(ulong*)StubLayout.FaultSelectors >> 48);
    }

    private void InstallSignals()
    {
        // No asynchronous signal may find a guest's stack pointer in RSP: its frame would land there.
        ulong* blocked = stackalloc ulong[SignalSetWords];
        blocked[0] = ulong.MaxValue;
        foreach (int signal in Signals) blocked[0] &= ~(1UL << (signal - 1));
        ulong* oldMask = stackalloc ulong[SignalSetWords];
        if (pthread_sigmask(SIG_SETMASK, blocked, oldMask) != 0) throw NativeArena.Failed("pthread_sigmask");
        _oldMask = oldMask[0];

        SignalStack stack = new() { Address = (nint)OracleLayout.SignalStack, Size = OracleLayout.SignalStackSize };
        SignalStack oldStack;
        if (sigaltstack(&stack, &oldStack) != 0) throw NativeArena.Failed("sigaltstack");
        _oldStack = oldStack;

        for (int i = 0; i < Signals.Length; i++)
        {
            SigAction old;
            if (sigaction(Signals[i], null, &old) != 0) throw NativeArena.Failed("sigaction");
            _oldActions[i] = old;
            ((nint*)StubLayout.OldHandlers)[Signals[i]] = old.Handler;
            SigAction ours = old;
            ours.Handler = (nint)(OracleLayout.Stubs + _stubs.Handler);
            ours.Flags |= SA_ONSTACK | SA_SIGINFO;
            if (sigaction(Signals[i], &ours, null) != 0) throw NativeArena.Failed("sigaction");
        }
    }
}
