using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Core.Time;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Execute;
using Vmm.Cpu.Mmu;
using Vmm.Cpu.State;

namespace Vmm.Cpu;

/// <summary>
/// One software processor: registers, memory unit, decoded blocks, and the loop that alternates between running blocks and everything
/// that happens between instructions (faults, interrupts, INIT and SIPI, single steps). Belongs to one thread, except for what is
/// marked otherwise.
/// </summary>
internal sealed unsafe class Cpu : IDisposable
{
    // The longest chain: an event, a contributory fault, a page fault, a double fault.
    private const int MaxDeliveries = 4;
    private const int MaxCodeRequests = 64;

    private readonly GuestMemory _memory;
    private readonly CodePages _codePages;
    private readonly BlockDecoder _decoder;
    private readonly IClock _clock;
    private readonly Doorbells _doorbells;
    private readonly ConcurrentQueue<(ulong Physical, int Bytes)> _codeWritten = new();
    private readonly object _sleep = new();
    private int _dropWritesAsked;
    private int _dropWritesDone;
    private volatile bool _running;
    private byte _sipiVector;
    private ulong _debugTrap;
    private Block* _scratch;
    private Fault _fault;
    private VcpuEvents _injected;
    private Pending _deferred;

    public Cpu(int index, GuestMemory memory, CodePages codePages, CpuidTable cpuid, IClock clock, Doorbells doorbells)
    {
        Index = index;
        _memory = memory;
        _codePages = codePages;
        _clock = clock;
        _doorbells = doorbells;
        Cpuid = cpuid;
        Features = new CpuFeatures(cpuid);
        S = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        NativeMemory.Clear(S, (nuint)sizeof(CpuState));
        _scratch = (Block*)NativeMemory.AlignedAlloc((nuint)(sizeof(Block) + (2 * Emitter.MaxOpsPerInstruction * sizeof(Op))), 64);
        Mem = new MemoryUnit(this, memory, codePages, Features.PhysicalBits);
        S->Tlb = Mem.Tlb.Way(SoftTlb.Supervisor);
        _decoder = new BlockDecoder(this);
        Reset();
        codePages.Join(this);
    }

    public int Index { get; }

    public CpuState* S { get; }

    public MemoryUnit Mem { get; }

    public BlockCache Blocks { get; } = new();

    public CpuidTable Cpuid { get; }

    public CpuFeatures Features { get; }

    /// <summary>Serves I/O while <see cref="Run"/> runs.</summary>
    public IVcpuIo Io { get; private set; } = NoIo.Instance;

    /// <summary>Null where the CPU is used without one (single instructions for KVM, tests).</summary>
    public ILocalApic? Apic { get; set; }

    /// <summary>State that only XSAVE and XRSTOR know, of a guest that another hypervisor runs; null for guests of our own.</summary>
    public ExtendedState? Extended { get; init; }

    /// <summary>After <see cref="VcpuExit.Failed"/>.</summary>
    public string? FailureReason { get; set; }

    /// <summary>Set by a handler that ends <see cref="Run"/>.</summary>
    public VcpuExit? ExitRequest { get; set; }

    /// <summary>The fault being raised; for tests and the delivery code.</summary>
    public ref Fault Fault => ref _fault;

    public GuestMemory Memory => _memory;

    public bool Is64 => (S->Mode & CpuMode.CodeSizeMask) == CpuMode.Code64;

    // ---- raising -----------------------------------------------------------------------------------------------------------------

    /// <summary>Raises a fault of the current instruction. Always false, so that a handler can return it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool Raise(byte vector, uint errorCode)
    {
        if (_fault.Active) return false;
        _fault = new Fault { Active = true, Vector = vector, HasErrorCode = Delivery.HasErrorCode(vector), ErrorCode = errorCode };
        return false;
    }

    /// <summary>Raises a fault without an error code.</summary>
    public bool Raise(byte vector) => Raise(vector, 0);

    /// <summary>#GP(0).</summary>
    public bool RaiseGp() => Raise(Vector.GP, 0);

    /// <summary>#UD.</summary>
    public bool RaiseUd() => Raise(Vector.UD, 0);

    /// <summary>#GP(0), or #SS(0) for an access to the stack. What is not known to be one yet is turned by <see cref="TurnStackFault"/>.</summary>
    public bool RaiseNonCanonical(bool stack)
    {
        bool first = !_fault.Active;
        Raise(stack ? Vector.SS : Vector.GP, 0);
        if (first) _fault.IsNonCanonical = !stack;
        return false;
    }

    /// <summary>#GP(0) for a misaligned FXSAVE area; other than with SSE operands, one that is not canonical counts as that first.</summary>
    public bool RaiseMisaligned(ulong linear)
    {
        bool first = !_fault.Active;
        RaiseGp();
        if (first) _fault.IsNonCanonical = (S->Efer & Efer.LMA) != 0 && (long)(linear << 16) >> 16 != (long)linear;
        return false;
    }

    /// <summary>The fault of a step whose operand lies in the stack segment.</summary>
    public void TurnStackFault(Op* op)
    {
        if (_fault.IsNonCanonical && (op->Flags & OpFlags.Stack) != 0) _fault.Vector = Vector.SS;
    }

    public bool RaisePageFault(ulong linear, uint errorCode)
    {
        if (_fault.Active) return false;
        _fault = new Fault { Active = true, Vector = Vector.PF, HasErrorCode = true, ErrorCode = errorCode, Address = linear };
        return false;
    }

    /// <summary>A data breakpoint was hit or a step ended: #DB comes after the instruction.</summary>
    public void PostDebugTrap(ulong dr6Bits)
    {
        _debugTrap |= dr6Bits;
        Interlocked.Or(ref S->Pending, (int)Pending.Trap);
    }

    // ---- addresses -----------------------------------------------------------------------------------------------------------------

    /// <summary>The address fields of a step, evaluated.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong LinearAddress(Op* op) => S->R[op->Base] + (S->R[op->Index] << op->Scale) + (ulong)(long)op->Disp;

    /// <summary>RIP of the instruction that a step belongs to.</summary>
    public ulong InstructionRip(Op* op) => TrimRip(S->R[Reg.BlockRip] + op->Offset);

    /// <summary>RIP behind the instruction that a step belongs to.</summary>
    public ulong NextRip(Op* op) => TrimRip(S->R[Reg.BlockRip] + op->Offset + op->Length);

    /// <summary>Outside 64-bit code EIP has 32 bits.</summary>
    public ulong TrimRip(ulong rip) => Is64 ? rip : rip & uint.MaxValue;

    // ---- mode ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Recomputes what depends on CPL, CS, SS, CR0, CR4, EFER and RFLAGS.VM/AC. Call after any of them changed.</summary>
    public void UpdateMode()
    {
        CpuState* s = S;
        SegmentCache* segments = CpuState.Segments(s);
        CpuMode mode;
        bool longMode = (s->Efer & Efer.LMA) != 0;
        if (longMode && segments[Seg.Cs].Is(SegmentAttributes.L)) mode = CpuMode.Code64 | CpuMode.BigStack;
        else
        {
            mode = segments[Seg.Cs].Is(SegmentAttributes.DB) ? CpuMode.Code32 : CpuMode.Code16;
            if (segments[Seg.Ss].Is(SegmentAttributes.DB)) mode |= CpuMode.BigStack;
        }

        if ((s->Cr0 & Cr0.PE) == 0) mode |= CpuMode.Real;
        if ((s->SystemFlags & Rflags.VM) != 0) mode |= CpuMode.Virtual8086;
        if (s->Cpl == 3) mode |= CpuMode.User;
        if ((s->Cr0 & (Cr0.EM | Cr0.TS)) != 0) mode |= CpuMode.FpuClosed | CpuMode.SseClosed;
        if ((s->Cr4 & Cr4.OSFXSR) == 0) mode |= CpuMode.SseClosed;
        s->Mode = mode;
        UpdateTlbWay();
    }

    /// <summary>Chooses the TLB for data accesses: CPL, SMAP and AC decide.</summary>
    public void UpdateTlbWay()
    {
        CpuState* s = S;
        int way = s->Cpl == 3 ? SoftTlb.User : (s->SystemFlags & Rflags.AC) != 0 ? SoftTlb.SupervisorOpen : SoftTlb.Supervisor;
        s->Tlb = Mem.Tlb.Way(way);
    }

    /// <summary>CR0, CR3, CR4 or EFER changed what linear addresses mean.</summary>
    public void FlushTranslations(bool keepGlobal)
    {
        if (keepGlobal) Mem.Tlb.FlushNonGlobal();
        else Mem.Tlb.FlushAll();
        Blocks.FlushJumps();
    }

    /// <summary>INVLPG.</summary>
    public void FlushPage(ulong linear)
    {
        Mem.Tlb.FlushPage(linear);
        Blocks.FlushJumps();
    }

    /// <summary>TF, RF or breakpoints changed: decides whether instructions are executed one by one.</summary>
    public void UpdateStepping()
    {
        CpuState* s = S;
        bool data = false, code = false;
        for (int i = 0; i < 4; i++)
        {
            if ((s->Dr7 >> (i * 2) & 3) == 0) continue;
            int kind = (int)(s->Dr7 >> (16 + (i * 4)) & 3);
            code |= kind == 0;
            data |= kind is 1 or 3;
        }

        if (data != Mem.Watching)
        {
            Mem.Watching = data;
            Mem.Tlb.FlushAll();
        }

        // A hit of a data breakpoint is reported right after its instruction, so those are executed one by one too.
        bool step = code || data || (s->SystemFlags & Rflags.TF) != 0;
        if (step) Interlocked.Or(ref s->Pending, (int)Pending.SingleStep);
        else Interlocked.And(ref s->Pending, ~(int)Pending.SingleStep);
    }

    /// <summary>Any change of data breakpoints must take their pages out of the TLB.</summary>
    public void BreakpointsChanged()
    {
        UpdateStepping();
        if (Mem.Watching) Mem.Tlb.FlushAll();
    }

    // ---- time ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Ticks of the TSC each second: nanoseconds, but for a guest that was told otherwise by the CPU that it comes from.</summary>
    public ulong TscHz { get; set; } = SoftwareVcpu.TscHz;

    /// <summary>The guest's TSC: machine time plus an offset.</summary>
    public ulong ReadTsc() => unchecked(TimeInTicks + S->TscOffset);

    /// <summary>Machine time in ticks of the TSC.</summary>
    public ulong TimeInTicks
    {
        get
        {
            ulong ns = (ulong)_clock.NowNs;
            return TscHz == SoftwareVcpu.TscHz ? ns : (ulong)((UInt128)ns * TscHz / SoftwareVcpu.TscHz);
        }
    }

    /// <summary>Machine time in nanoseconds.</summary>
    public long MachineTimeNs => _clock.NowNs;

    /// <summary>Wall-clock time since 1970 in units of 100 ns.</summary>
    public long UtcNowTicks => _clock.UtcNow.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;

    // ---- from other threads ---------------------------------------------------------------------------------------------------------

    /// <summary>Sets pending bits and wakes a halted CPU. Any thread.</summary>
    public void Post(Pending what)
    {
        Interlocked.Or(ref S->Pending, (int)what);
        if (!Volatile.Read(ref _asleep)) return;
        lock (_sleep) Monitor.PulseAll(_sleep);
    }

    /// <summary>INIT. Any thread. A start-up IPI from before it is void; one that comes after it counts, however late this CPU looks.</summary>
    public void PostInit()
    {
        Interlocked.And(ref S->Pending, ~(int)Pending.Sipi);
        Post(Pending.Init);
    }

    /// <summary>Start-up IPI. Any thread.</summary>
    public void PostSipi(byte vector)
    {
        Volatile.Write(ref _sipiVector, vector);
        Post(Pending.Sipi);
    }

    /// <summary>Somebody wrote bytes that this CPU may have decoded. Any thread.</summary>
    public void PostCodeWritten(ulong physical, int bytes)
    {
        // A vCPU that sleeps for long must not pile them up: then everything decoded goes instead.
        if (_codeWritten.Count < MaxCodeRequests)
        {
            _codeWritten.Enqueue((physical, bytes));
            Interlocked.Or(ref S->Pending, (int)Pending.CodeRequests);
        }
        else
        {
            Interlocked.Or(ref S->Pending, (int)Pending.FlushBlocks);
        }
    }

    /// <summary>Asks this CPU to drop its write translations, and waits until it has, or cannot be using them. Called on the thread of <paramref name="asker"/>.</summary>
    public void PostDropWrites(Cpu asker)
    {
        int ticket = Interlocked.Increment(ref _dropWritesAsked);
        Post(Pending.CodeRequests);
        SpinWait spin = default;
        while (_running && !Volatile.Read(ref _asleep) && Volatile.Read(ref _dropWritesDone) - ticket < 0)
        {
            // Two CPUs may wait for each other: each serves the other's request meanwhile.
            asker.ServeDropWrites();
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>The dirty log was collected: every page must be marked again at its next store. Any thread.</summary>
    public void PostDropAllWrites()
    {
        Interlocked.Increment(ref _dropWritesAsked);
        Post(Pending.CodeRequests);
    }

    private bool _asleep;

    private void ServeDropWrites()
    {
        int asked = Volatile.Read(ref _dropWritesAsked);
        if (asked == _dropWritesDone) return;
        Mem.Tlb.DropAllWrites();
        Volatile.Write(ref _dropWritesDone, asked);
    }

    // ---- blocks --------------------------------------------------------------------------------------------------------------------

    /// <summary>Finds or decodes the block at S-&gt;Rip. Null when that raised a fault.</summary>
    public Block* FetchBlock()
    {
        CpuState* s = S;
        bool is64 = Is64;
        ulong linear = s->Rip;
        if (!is64)
        {
            linear = (linear + s->R[Reg.SegmentBase + Seg.Cs]) & uint.MaxValue;
            // Near a limit below 4 GiB each instruction is checked for itself.
            uint limit = CpuState.Segments(s)[Seg.Cs].Limit;
            if (s->Rip > limit)
            {
                RaiseGp();
                return null;
            }

            if (limit - s->Rip < BlockDecoder.MaxBlockBytes && limit != uint.MaxValue) return FetchOne();
        }
        else if ((long)(linear << 16) >> 16 != (long)linear)
        {
            RaiseGp();
            return null;
        }

        byte* host = Mem.Fetch(linear, out ulong physical, out bool ok);
        if (!ok) return null;
        if (host == null) return FetchOne();
        Block* block = Blocks.Find(physical, s->Mode);
        if (block == null)
        {
            ulong page = physical >> GuestAddress.PageShift;
            if (!Blocks.HasPage(page)) ClaimPage(page);
            block = _decoder.Decode(host, physical, s->Mode);
            if (block == null && _decoder.ArenaFull)
            {
                if (!Blocks.TryGrow(s->InstructionCount))
                {
                    FlushBlocks();
                    ClaimPage(page);
                }

                block = _decoder.Decode(host, physical, s->Mode);
            }

            // An instruction that crosses into the next page is decoded for itself each time.
            if (block == null) return FetchOne();
        }

        Blocks.AddJump(linear, block);
        return block;
    }

    /// <summary>Decodes just the instruction at S-&gt;Rip, from wherever it is, into a block that is not kept.</summary>
    public Block* FetchOne()
    {
        CpuState* s = S;
        byte* bytes = stackalloc byte[15];
        int count = 0;
        bool is64 = Is64;
        ulong csBase = is64 ? 0 : s->R[Reg.SegmentBase + Seg.Cs];
        uint limit = CpuState.Segments(s)[Seg.Cs].Limit;
        bool atLimit = false;
        while (count < 15)
        {
            ulong rip = TrimRip(s->Rip + (uint)count);
            if (!is64 && rip > limit)
            {
                atLimit = true;
                break;
            }

            ulong linear = rip + csBase;
            if (!is64) linear &= uint.MaxValue;
            byte* host = Mem.Fetch(linear, out ulong physical, out bool ok);
            if (!ok) break;
            int run = (int)Math.Min((uint)(15 - count), GuestAddress.PageSize - (linear & (GuestAddress.PageSize - 1)));
            if (!is64) run = (int)Math.Min((ulong)run, limit - rip + 1);
            if (host == null)
            {
                // Instructions outside RAM (a ROM that is not memory, open bus): fetched byte by byte.
                byte value;
                for (int i = 0; i < run; i++)
                {
                    Io.MmioRead(physical + (uint)i, new Span<byte>(&value, 1));
                    bytes[count + i] = value;
                }
            }
            else
            {
                for (int i = 0; i < run; i++) bytes[count + i] = host[i];
            }

            count += run;
        }

        Fault pending = _fault;
        _fault = default;
        if (count > 0 && _decoder.DecodeOne(_scratch, bytes, count, s->Mode)) return _scratch;
        // The bytes that could be fetched do not make an instruction: the fetch of the next one faults.
        if (pending.Active) _fault = pending;
        else if (atLimit || count == 15) RaiseGp();
        else RaiseUd();
        return null;
    }

    /// <summary>A store of this CPU hit a page with decoded code.</summary>
    public void CodeStored(ulong physical, int bytes, byte* flags)
    {
        if (Blocks.Invalidate(physical, bytes, out bool empty)) S->CodeChanged = 1;
        if (empty) _codePages.Release(this, physical >> GuestAddress.PageShift, flags);
    }

    /// <summary>Drops every decoded block.</summary>
    public void FlushBlocks()
    {
        Blocks.FlushAll(page =>
        {
            _memory.PagePointer(page << GuestAddress.PageShift, out byte* flags, out _);
            _codePages.Release(this, page, flags);
        });
    }

    private void ClaimPage(ulong page)
    {
        byte* host = _memory.PagePointer(page << GuestAddress.PageShift, out byte* flags, out _);
        _codePages.Claim(this, page, flags);
        Blocks.AddPage(page);
        Mem.Tlb.DropWrites(host);
    }

    private void ServeCodeRequests()
    {
        Interlocked.And(ref S->Pending, ~(int)Pending.CodeRequests);
        ServeDropWrites();
        while (_codeWritten.TryDequeue(out (ulong Physical, int Bytes) request))
        {
            Blocks.Invalidate(request.Physical, request.Bytes, out bool empty);
            if (!empty) continue;
            _memory.PagePointer(request.Physical, out byte* flags, out _);
            _codePages.Release(this, request.Physical >> GuestAddress.PageShift, flags);
        }
    }

    // ---- the loop ------------------------------------------------------------------------------------------------------------------

    /// <summary>Runs until a life-cycle event.</summary>
    public VcpuExit Run(IVcpuIo io)
    {
        Io = io;
        _running = true;
        ServeCodeRequests();
        try
        {
            while (true)
            {
                if (S->InterruptShadow != InterruptShadow.None && S->ShadowRip != S->Rip) S->InterruptShadow = InterruptShadow.None;
                if (Volatile.Read(ref S->Pending) != 0 || S->Activity != VcpuActivity.Running)
                {
                    if (Between() is { } exit) return exit;
                    if (S->Activity != VcpuActivity.Running) continue;
                }

                if (S->InterruptShadow != InterruptShadow.None || (S->Pending & (int)Pending.SingleStep) != 0) StepBetween();
                else Interpreter.Run(this, null);
                if (_fault.Active)
                {
                    // What an instruction touched that did not come to its end hit no breakpoint.
                    if (!_fault.IsTrap && !_fault.IsSoftware) _debugTrap = 0;
                    if (!DeliverFault()) return VcpuExit.TripleFault;
                }

                if (ExitRequest is { } request)
                {
                    ExitRequest = null;
                    return request;
                }
            }
        }
        finally
        {
            _running = false;
            Io = NoIo.Instance;
        }
    }

    /// <summary>Executes exactly one instruction (or one iteration of a repeated one), with its faults delivered. Interrupts are not taken.</summary>
    public VcpuExit? StepOne(IVcpuIo io)
    {
        Io = io;
        S->Activity = VcpuActivity.Running;
        ExitRequest = null;
        Execute1();
        Io = NoIo.Instance;
        if (_fault.Active && !DeliverFault()) return VcpuExit.TripleFault;
        VcpuExit? request = ExitRequest;
        ExitRequest = null;
        return request;
    }

    /// <summary>One instruction, its fault left in <see cref="Fault"/> (tests).</summary>
    public void Execute1()
    {
        Interlocked.Or(ref S->Pending, (int)Pending.StepOnce);
        Block* block = FetchOne();
        if (block != null) Interpreter.Run(this, block);
        Interlocked.And(ref S->Pending, ~(int)Pending.StepOnce);
    }

    /// <summary>One instruction while TF, breakpoints or an interrupt shadow ask for it.</summary>
    private void StepBetween()
    {
        CpuState* s = S;
        InterruptShadow shadow = s->InterruptShadow;
        s->InterruptShadow = InterruptShadow.None;
        bool trace = (s->SystemFlags & Rflags.TF) != 0;
        bool resume = (s->SystemFlags & Rflags.RF) != 0;
        if (!resume && shadow != InterruptShadow.MovSs && CodeBreakpoint())
        {
            Raise(Vector.DB);
            return;
        }

        s->SystemFlags &= ~Rflags.RF;
        ulong before = s->Rip;
        Execute1();
        bool repeats = s->Rip == before && !_fault.Active;
        if (resume && repeats) s->SystemFlags |= Rflags.RF;
        if (_fault.Active) return;
        if (trace && s->InterruptShadow != InterruptShadow.MovSs) PostDebugTrap(1UL << 14);
    }

    private bool CodeBreakpoint()
    {
        CpuState* s = S;
        ulong linear = Is64 ? s->Rip : (s->Rip + s->R[Reg.SegmentBase + Seg.Cs]) & uint.MaxValue;
        ulong hits = 0;
        for (int i = 0; i < 4; i++)
        {
            if ((s->Dr7 >> (i * 2) & 3) != 0 && (s->Dr7 >> (16 + (i * 4)) & 3) == 0 && s->Dr[i] == linear) hits |= 1UL << i;
        }

        if (hits == 0) return false;
        s->Dr6 = (s->Dr6 & ~0xfUL) | hits;
        return true;
    }

    /// <summary>Everything between instructions. Null: go on.</summary>
    private VcpuExit? Between()
    {
        CpuState* s = S;
        while (true)
        {
            Pending pending = (Pending)Volatile.Read(ref s->Pending);
            if ((pending & Pending.CodeRequests) != 0) ServeCodeRequests();
            if ((pending & Pending.FlushBlocks) != 0)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.FlushBlocks);
                FlushBlocks();
            }

            if ((pending & Pending.Kick) != 0)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.Kick);
                return VcpuExit.Interrupted;
            }

            if ((pending & Pending.Init) != 0)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.Init);
                Init();
                continue;
            }

            if (s->Activity == VcpuActivity.WaitForSipi)
            {
                if ((pending & Pending.Sipi) != 0)
                {
                    Interlocked.And(ref s->Pending, ~(int)Pending.Sipi);
                    StartUp(Volatile.Read(ref _sipiVector));
                    continue;
                }

                Sleep();
                continue;
            }

            if ((pending & Pending.Sipi) != 0 && !DropSipi()) continue;
            if ((pending & Pending.Injected) != 0)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.Injected);
                if (!DeliverInjected()) return VcpuExit.TripleFault;
                continue;
            }

            if (_debugTrap != 0 && (pending & Pending.Trap) != 0 && s->InterruptShadow != InterruptShadow.MovSs)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.Trap);
                s->Dr6 |= _debugTrap;
                _debugTrap = 0;
                s->Activity = VcpuActivity.Running;
                _fault = new Fault { Active = true, Vector = Vector.DB, IsTrap = true };
                if (!DeliverFault()) return VcpuExit.TripleFault;
                continue;
            }

            if (_debugTrap == 0) Interlocked.And(ref s->Pending, ~(int)Pending.Trap);
            if (s->InterruptShadow == InterruptShadow.None && (pending & Pending.Nmi) != 0 && s->NmiBlocked == 0)
            {
                Interlocked.And(ref s->Pending, ~(int)Pending.Nmi);
                s->Activity = VcpuActivity.Running;
                s->NmiBlocked = 1;
                _fault = new Fault { Active = true, Vector = Vector.NMI, IsExternal = true };
                if (!DeliverFault()) return VcpuExit.TripleFault;
                continue;
            }

            if (s->InterruptShadow == InterruptShadow.None && (s->SystemFlags & Rflags.IF) != 0 && (pending & Pending.Interrupt) != 0)
            {
                // Cleared before the look, so that an interrupt that comes meanwhile sets it again.
                Interlocked.And(ref s->Pending, ~(int)Pending.Interrupt);
                if (Apic is not null && Apic.TryAcknowledge(out byte vector))
                {
                    if (Apic.HasInterrupt) Interlocked.Or(ref s->Pending, (int)Pending.Interrupt);
                    s->Activity = VcpuActivity.Running;
                    _fault = new Fault { Active = true, Vector = vector, IsExternal = true };
                    if (!DeliverFault()) return VcpuExit.TripleFault;
                    return null;
                }

                continue;
            }

            // With interrupts off they wait beside the fast path, until RFLAGS.IF is set again (SetSystemFlags).
            if ((s->SystemFlags & Rflags.IF) == 0 && (pending & Pending.Interrupt) != 0)
            {
                _deferred |= Pending.Interrupt;
                Interlocked.And(ref s->Pending, ~(int)Pending.Interrupt);
            }

            if (s->NmiBlocked != 0 && (pending & Pending.Nmi) != 0)
            {
                _deferred |= Pending.Nmi;
                Interlocked.And(ref s->Pending, ~(int)Pending.Nmi);
            }

            if (s->Activity == VcpuActivity.Running) return null;
            // The only processor, halted with interrupts off: nobody is left who could send it an NMI or INIT.
            bool isDead = (s->SystemFlags & Rflags.IF) == 0 && _codePages.Cpus.Length == 1 && !MayWake((Pending)Volatile.Read(ref s->Pending));
            if (isDead) return VcpuExit.Halted;
            Sleep();
        }
    }

    // A start-up IPI for a CPU that does not wait for it. False: an INIT came meanwhile, and perhaps the IPI after it.
    private bool DropSipi()
    {
        int before = Interlocked.And(ref S->Pending, ~(int)Pending.Sipi);
        if ((before & (int)Pending.Init) == 0) return true;
        Interlocked.Or(ref S->Pending, before & (int)Pending.Sipi);
        return false;
    }

    /// <summary>Sets RFLAGS but for the status flags, and whatever hangs on them: stepping, the TLB in force, waiting interrupts.</summary>
    public void SetSystemFlags(uint flags)
    {
        CpuState* s = S;
        flags &= ~Rflags.Status;
        uint changed = s->SystemFlags ^ flags;
        s->SystemFlags = flags;
        if ((changed & Rflags.TF) != 0) UpdateStepping();
        if ((changed & Rflags.VM) != 0) UpdateMode();
        else if ((changed & Rflags.AC) != 0) UpdateTlbWay();
        if ((changed & flags & Rflags.IF) != 0) Undefer(Pending.Interrupt);
    }

    /// <summary>STI, MOV SS: the next instruction runs before any interrupt.</summary>
    public void BeginShadow(InterruptShadow shadow)
    {
        S->InterruptShadow = shadow;
        S->ShadowRip = S->Rip;
    }

    /// <summary>IRET: NMIs are open again.</summary>
    public void UnblockNmi()
    {
        S->NmiBlocked = 0;
        Undefer(Pending.Nmi);
    }

    private void Undefer(Pending what)
    {
        Pending waiting = _deferred & what;
        if (waiting == Pending.None) return;
        _deferred &= ~what;
        Interlocked.Or(ref S->Pending, (int)waiting);
    }

    /// <summary>Waits until something is pending that could end the halt.</summary>
    private void Sleep()
    {
        CpuState* s = S;
        lock (_sleep)
        {
            Volatile.Write(ref _asleep, true);
            Interlocked.MemoryBarrier();
            while (!MayWake((Pending)Volatile.Read(ref s->Pending))) Monitor.Wait(_sleep);
            Volatile.Write(ref _asleep, false);
        }
    }

    private bool MayWake(Pending pending)
    {
        CpuState* s = S;
        Pending wakes = Pending.Kick | Pending.Init | Pending.CodeRequests | Pending.FlushBlocks;
        if (s->Activity == VcpuActivity.WaitForSipi)
        {
            wakes |= Pending.Sipi;
        }
        else
        {
            wakes |= Pending.Injected | Pending.Trap;
            if (s->NmiBlocked == 0) wakes |= Pending.Nmi;
            if ((s->SystemFlags & Rflags.IF) != 0) wakes |= Pending.Interrupt;
        }

        return (pending & wakes) != 0;
    }

    private bool DeliverInjected()
    {
        VcpuEvents events = _injected;
        _injected = default;
        if (events.ExceptionPending)
        {
            _fault = new Fault
            {
                Active = true,
                Vector = events.ExceptionVector,
                HasErrorCode = events.ExceptionHasErrorCode,
                ErrorCode = events.ExceptionErrorCode,
                Address = S->Cr2,
            };
            return DeliverFault();
        }

        if (!events.InterruptPending) return true;
        _fault = new Fault { Active = true, Vector = events.InterruptVector, IsExternal = true };
        return DeliverFault();
    }

    /// <summary>Events of a restored state.</summary>
    public void Inject(in VcpuEvents events)
    {
        _injected = events;
        if (events.ExceptionPending || events.InterruptPending) Interlocked.Or(ref S->Pending, (int)Pending.Injected);
    }

    /// <summary>Events that a state taken now must carry.</summary>
    public VcpuEvents Injected => _injected;

    /// <summary>Delivers the active fault, with double faults where it comes to that. False: triple fault.</summary>
    private bool DeliverFault()
    {
        byte first = _fault.Vector;
        for (int attempt = 0; attempt < MaxDeliveries; attempt++)
        {
            Fault fault = _fault;
            _fault = default;
            if (Delivery.Deliver(this, fault)) return true;
            if (!_fault.Active) return false;
            if (first == Vector.DF) return false;
            // INT n was not carried out: what comes next finds the processor at it, not behind it.
            if (fault.IsSoftware) S->Rip = fault.InstructionRip;
            if (Delivery.MakesDoubleFault(first, fault.IsExternal || fault.IsSoftware, _fault.Vector))
            {
                if (_fault.Vector == Vector.PF) S->Cr2 = _fault.Address;
                _fault = new Fault { Active = true, Vector = Vector.DF, HasErrorCode = true };
            }

            first = _fault.Vector;
        }

        _fault = default;
        return false;
    }

    // ---- reset -----------------------------------------------------------------------------------------------------------------------

    /// <summary>Power-on.</summary>
    public void Reset()
    {
        StateCodec.Apply(this, new VcpuState { Activity = Index == 0 ? VcpuActivity.Running : VcpuActivity.WaitForSipi });
    }

    /// <summary>INIT: like power-on, but x87 and SSE state, CR2, TSC and most MSRs stay (Intel SDM vol. 3 table 9-1).</summary>
    private void Init()
    {
        VcpuState state = new();
        StateCodec.Capture(this, state);
        VcpuState fresh = new() { Cr2 = state.Cr2, Tsc = state.Tsc, Activity = VcpuActivity.WaitForSipi, ApicBase = state.ApicBase };
        // CR0.CD and NW stay as they are.
        fresh.Cr0 = (state.Cr0 & (Cr0.CD | Cr0.NW)) | Cr0.ET;
        state.Xsave.CopyTo(fresh.Xsave, 0);
        fresh.Msrs.AddRange(state.Msrs);
        fresh.Gpr[Reg.Rdx] = Cpuid.Lookup(1, 0).Eax;
        StateCodec.Apply(this, fresh);
        Apic?.Init();
        if (Apic is not null && (Apic.ApicBase & 0x100) != 0)
        {
            // The boot processor starts at the reset vector.
            S->Activity = VcpuActivity.Running;
        }
    }

    private void StartUp(byte vector)
    {
        SegmentCache* segments = CpuState.Segments(S);
        segments[Seg.Cs].Selector = (ushort)(vector << 8);
        S->R[Reg.SegmentBase + Seg.Cs] = (ulong)vector << 12;
        S->Rip = 0;
        S->Activity = VcpuActivity.Running;
        UpdateMode();
    }

    /// <summary>A new state comes: what was pending belonged to the old one.</summary>
    public void ForgetEvents()
    {
        _debugTrap = 0;
        _deferred = Pending.None;
        _injected = default;
        _fault = default;
        ExitRequest = null;
        // INIT and SIPI stay: while this CPU serves an INIT, the SIPI that follows it may have come already.
        const Pending OfTheGuest = Pending.Interrupt | Pending.Nmi | Pending.Trap | Pending.Injected | Pending.SingleStep;
        Interlocked.And(ref S->Pending, ~(int)OfTheGuest);
        Blocks.FlushJumps();
    }

    /// <summary>Forgets INIT and SIPI, too (a state is restored).</summary>
    public void ForgetStartUp() => Interlocked.And(ref S->Pending, ~(int)(Pending.Init | Pending.Sipi));

    /// <summary>True when an event waits, in the open or behind closed interrupts.</summary>
    public bool IsPending(Pending what) => (((Pending)Volatile.Read(ref S->Pending) | _deferred) & what) != 0;

    /// <summary>Rings a bound doorbell. True when the write was one.</summary>
    public bool TryRingDoorbell(ulong physical, int size, ulong value) => _doorbells.TryRing(physical, size, value);

    public void Dispose()
    {
        Mem.Dispose();
        Blocks.Dispose();
        NativeMemory.AlignedFree(_scratch);
        NativeMemory.AlignedFree(S);
    }
}
