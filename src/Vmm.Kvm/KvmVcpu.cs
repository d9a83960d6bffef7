using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Host;
using Vmm.Host.Native;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>
/// One KVM vCPU. HLT waits in the kernel, where the local APIC is, so <see cref="VcpuExit.Halted"/> does not occur: a vCPU that halted
/// for ever waits until it is kicked.
/// </summary>
public sealed unsafe class KvmVcpu : IVcpu
{
    /// <summary>For so many exits after an emulated instruction KVM keeps the registers in the shared page: instructions like it come in swarms.</summary>
    private const int SyncExits = 64;

    private const ulong KVM_ENOSYS = unchecked((ulong)-1000);

    private readonly KvmMachine _machine;
    private readonly LinuxFile _file;
    private readonly int _fd;
    private readonly nuint _runBytes;
    private readonly KvmRun* _run;
    private readonly KvmVcpuRegisters _registers;
    private readonly IInstructionEmulator? _emulator;
    private readonly ISplitInterruptChips? _splitChips;
    private readonly ISplitInterruptChips? _externalInterrupts;
    private readonly VcpuState _emulationState = new();
    private readonly Lock _disposeGate = new();
    private int _kickRequested;
    private int _threadId;
    private int _syncExitsLeft;
    private long _emulated;
    private bool _disposed;

    internal KvmVcpu(KvmMachine machine, int index)
    {
        _machine = machine;
        Index = index;
        KvmHypervisor hypervisor = machine.Hypervisor;
        _emulator = hypervisor.Options.Emulator;
        _splitChips = hypervisor.Options.InterruptMode == KvmInterruptMode.Split ? hypervisor.Options.SplitChips : null;
        _externalInterrupts = index == 0 ? _splitChips : null;
        _fd = KvmCall.Must(machine.Fd, KvmIoctl.KVM_CREATE_VCPU, index, $"creating vCPU {index}");
        _file = new LinuxFile(_fd);
        _runBytes = hypervisor.RunBytes;
        nint mapping = Libc.Mmap(0, _runBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, _fd, 0);
        if (mapping == Libc.MAP_FAILED)
        {
            HypervisorException failure = KvmCall.Failure($"mapping the page of vCPU {index}");
            _file.Dispose();
            throw failure;
        }

        _run = (KvmRun*)mapping;
        try
        {
            SetCpuid(hypervisor.Options.Cpuid?.Invoke(index) ?? hypervisor.Cpuid.Build(index));
            _registers = new KvmVcpuRegisters(hypervisor, _fd, _run);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int Index { get; }

    /// <inheritdoc/>
    public string? FailureReason { get; private set; }

    /// <summary>Instructions that KVM could not execute and the emulator did.</summary>
    public long EmulatedInstructions => Volatile.Read(ref _emulated);

    /// <summary>Ticks of the guest's TSC each second; 0 when KVM does not say.</summary>
    public ulong TscFrequencyHz => (ulong)Math.Max(0, KvmCall.Try(_file.Fd, KvmIoctl.KVM_GET_TSC_KHZ, 0)) * 1000;

    /// <summary>Has the guest's TSC count at another rate than the host's. Before the guest runs.</summary>
    /// <returns>False when this host's CPU cannot.</returns>
    public bool TrySetTscFrequency(ulong hz) => KvmCall.Try(_file.Fd, KvmIoctl.KVM_SET_TSC_KHZ, (nint)(hz / 1000)) >= 0;

    /// <inheritdoc/>
    public VcpuExit Run(IVcpuIo io)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        FailureReason = null;
        Volatile.Write(ref _threadId, Libc.GetTid());
        // Pairs with the barrier in Interrupt: either the kicker sees this thread, or KVM_RUN sees ImmediateExit.
        Interlocked.MemoryBarrier();
        try
        {
            return Loop(io);
        }
        finally
        {
            Volatile.Write(ref _threadId, 0);
        }
    }

    /// <inheritdoc/>
    public void Kick()
    {
        Volatile.Write(ref _kickRequested, 1);
        Interrupt();
    }

    /// <summary>
    /// Tells a guest with kvmclock that it stood still, so that its watchdogs forgive the gap. Call before it runs again after a pause.
    /// False when the guest has no kvmclock.
    /// </summary>
    public bool ForgivePause() => KvmCall.Try(_file.Fd, KvmIoctl.KVM_KVMCLOCK_CTRL, 0) >= 0;

    /// <summary>Lets the loop look at the world again without leaving <see cref="Run"/>. Any thread.</summary>
    internal void Nudge() => Interrupt();

    /// <inheritdoc/>
    public void Capture(VcpuState to) => _registers.Capture(to);

    /// <inheritdoc/>
    public void Apply(VcpuState from) => _registers.Apply(from);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_disposeGate)
        {
            if (_disposed) return;
            _disposed = true;
            _ = Libc.Munmap((nint)_run, _runBytes);
            _file.Dispose();
        }
    }

    // The lock keeps the page mapped while it is written; a kick is rare, so nobody waits for it.
    private void Interrupt()
    {
        lock (_disposeGate)
        {
            if (_disposed) return;
            Volatile.Write(ref _run->ImmediateExit, 1);
            Interlocked.MemoryBarrier();
            int threadId = Volatile.Read(ref _threadId);
            if (threadId != 0) KickSignal.Send(threadId);
        }
    }

    private VcpuExit Loop(IVcpuIo io)
    {
        KvmRun* run = _run;
        int fd = _fd;
        while (true)
        {
            if (_externalInterrupts is not null) OfferExternalInterrupt(_externalInterrupts);
            if (KvmCall.RunIoctl(fd, KvmIoctl.KVM_RUN, 0) < 0)
            {
                if (AfterError(Marshal.GetLastSystemError()) is { } ended) return ended;
                continue;
            }

            switch (run->ExitReason)
            {
                case KvmExitReason.KVM_EXIT_IO:
                    ServePort(run, io);
                    break;
                case KvmExitReason.KVM_EXIT_MMIO:
                    ServeMmio(run, io);
                    break;
                default:
                    if (Handle(run, io) is { } exit) return exit;
                    break;
            }

            if (run->ValidRegs != 0 && --_syncExitsLeft < 0) run->ValidRegs = 0;
        }
    }

    // A string instruction comes as one exit with a count: the data of all its iterations stand one behind the other.
    private static void ServePort(KvmRun* run, IVcpuIo io)
    {
        // SAFETY: offset, size and count come from the kernel and lie within the mapping of KVM_GET_VCPU_MMAP_SIZE bytes.
        byte* data = (byte*)run + run->IoDataOffset;
        int size = run->IoSize;
        ushort port = run->IoPort;
        bool isOut = run->IoDirection == KvmRun.KVM_EXIT_IO_OUT;
        for (uint left = run->IoCount; left != 0; left--)
        {
            if (isOut) io.PortOut(port, new ReadOnlySpan<byte>(data, size));
            else io.PortIn(port, new Span<byte>(data, size));
            data += size;
        }
    }

    private static void ServeMmio(KvmRun* run, IVcpuIo io)
    {
        // SAFETY: the length is at most the eight bytes of the buffer; the minimum makes that true whatever the page says.
        Span<byte> data = new(run->MmioData, (int)Math.Min(run->MmioLength, 8));
        if (run->MmioIsWrite != 0) io.MmioWrite(run->MmioAddress, data);
        else io.MmioRead(run->MmioAddress, data);
    }

    // Null: go on.
    private VcpuExit? Handle(KvmRun* run, IVcpuIo io)
    {
        switch (run->ExitReason)
        {
            case KvmExitReason.KVM_EXIT_IOAPIC_EOI:
                _splitChips?.EndOfInterrupt(run->EoiVector);
                return null;
            case KvmExitReason.KVM_EXIT_IRQ_WINDOW_OPEN:
            case KvmExitReason.KVM_EXIT_INTR:
            case KvmExitReason.KVM_EXIT_NMI:
            case KvmExitReason.KVM_EXIT_SET_TPR:
            case KvmExitReason.KVM_EXIT_TPR_ACCESS:
            case KvmExitReason.KVM_EXIT_X86_BUS_LOCK:
                return null;
            case KvmExitReason.KVM_EXIT_HYPERCALL:
                run->HypercallResult = KVM_ENOSYS;
                return null;
            case KvmExitReason.KVM_EXIT_INTERNAL_ERROR when run->InternalSuberror == KvmRun.KVM_INTERNAL_ERROR_EMULATION:
                return EmulateInstruction(run, io);
            case KvmExitReason.KVM_EXIT_HLT:
                return VcpuExit.Halted;
            case KvmExitReason.KVM_EXIT_SHUTDOWN:
                return VcpuExit.TripleFault;
            case KvmExitReason.KVM_EXIT_DEBUG:
                return VcpuExit.Debug;
            case KvmExitReason.KVM_EXIT_SYSTEM_EVENT when run->SystemEventType == KvmRun.KVM_SYSTEM_EVENT_SHUTDOWN:
                return VcpuExit.PowerOff;
            case KvmExitReason.KVM_EXIT_SYSTEM_EVENT when run->SystemEventType == KvmRun.KVM_SYSTEM_EVENT_RESET:
                return VcpuExit.Reset;
            default:
                return Fail(KvmExitText.Describe(run));
        }
    }

    private VcpuExit? AfterError(int errno)
    {
        switch (errno)
        {
            case Errno.EINTR:
                Volatile.Write(ref _run->ImmediateExit, 0);
                // A kicker sets its request before ImmediateExit, so a request that is missed here leaves ImmediateExit set.
                return Interlocked.Exchange(ref _kickRequested, 0) != 0 ? VcpuExit.Interrupted : null;
            case Errno.EAGAIN:
                // An application processor was started, or woken while it still waits for its start-up IPI.
                return null;
            case Errno.EFAULT when _run->ExitReason == KvmExitReason.KVM_EXIT_MEMORY_FAULT:
                return Fail(KvmExitText.Describe(_run));
            default:
                return Fail($"KVM_RUN: {Marshal.GetPInvokeErrorMessage(errno)} ({Errno.Name(errno)})");
        }
    }

    private void OfferExternalInterrupt(ISplitInterruptChips chips)
    {
        KvmRun* run = _run;
        if (!chips.HasExternalInterrupt)
        {
            run->RequestInterruptWindow = 0;
            return;
        }

        if (run->ReadyForInterruptInjection != 0 && chips.TryAcknowledge(out byte vector))
        {
            uint number = vector;
            KvmCall.Must(_fd, KvmIoctl.KVM_INTERRUPT, ref number, "injecting an interrupt");
            run->ReadyForInterruptInjection = 0;
        }

        run->RequestInterruptWindow = chips.HasExternalInterrupt ? (byte)1 : (byte)0;
    }

    private VcpuExit? EmulateInstruction(KvmRun* run, IVcpuIo io)
    {
        if (_emulator is null) return Fail(KvmExitText.Describe(run));
        _registers.CaptureForInstruction(_emulationState);
        EmulationResult result = _emulator.ExecuteOne(_emulationState, _machine.Memory, io);
        if (!result.IsDone) return Fail($"{KvmExitText.Describe(run)}; the software CPU cannot either: {result.FailureReason}");
        _registers.ApplyAfterInstruction(_emulationState);
        Volatile.Write(ref _emulated, _emulated + 1);
        if (!_registers.HasSyncRegs) return null;
        run->ValidRegs = KvmRun.KVM_SYNC_X86_ALL;
        _syncExitsLeft = SyncExits;
        return null;
    }

    private VcpuExit Fail(string reason)
    {
        FailureReason = string.Create(CultureInfo.InvariantCulture, $"vCPU {Index}: {reason}");
        return VcpuExit.Failed;
    }

    private void SetCpuid(CpuidTable table)
    {
        const int headerBytes = 8;
        ReadOnlySpan<CpuidEntry> entries = table.Entries;
        byte[] buffer = new byte[headerBytes + (entries.Length * sizeof(KvmCpuidEntry2))];
        MemoryMarshal.Write(buffer, (ulong)entries.Length);
        Span<KvmCpuidEntry2> to = MemoryMarshal.Cast<byte, KvmCpuidEntry2>(buffer.AsSpan(headerBytes));
        for (int i = 0; i < entries.Length; i++)
        {
            CpuidEntry e = entries[i];
            to[i] = new KvmCpuidEntry2
            {
                Function = e.Leaf,
                Index = e.Subleaf,
                Flags = e.HasSubleaves ? KvmCpuidEntry2.KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                Eax = e.Eax,
                Ebx = e.Ebx,
                Ecx = e.Ecx,
                Edx = e.Edx,
            };
        }

        // SAFETY: a count and as many entries as it says.
        fixed (byte* start = buffer) KvmCall.Must(_fd, KvmIoctl.KVM_SET_CPUID2, (nint)start, "setting CPUID");
    }
}
