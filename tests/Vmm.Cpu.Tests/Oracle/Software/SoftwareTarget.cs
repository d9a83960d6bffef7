using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Execute;
using Vmm.Cpu.State;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.TestKit;

namespace Vmm.Cpu.Tests.Oracle.Software;

/// <summary>
/// Cases on the software CPU: at CPL 3, with page tables and descriptors that look to the case like those of the Linux process that
/// the native side runs in.
/// </summary>
internal sealed unsafe class SoftwareTarget : IOracleTarget, IDisposable
{
    private const int MaxRounds = 4096;
    private const byte BP = 3;
    private const byte OF = 4;

    private readonly TestMemory _memory = new(GuestLayout.MemorySize);
    private readonly CodePages _codePages = new();
    private readonly Cpu _cpu;
    private readonly byte* _ram;

    public SoftwareTarget()
    {
        _ram = _memory.Memory.PagePointer(0, out _, out _);
        GuestLayout.Fill(new Span<byte>(_ram, (int)GuestLayout.MemorySize));
        _cpu = new Cpu(0, _memory.Memory, _codePages, SoftwareCpuid.Supported(null), new FakeClock(), new Doorbells(static _ => { }));
        new Span<byte>(_ram + GuestLayout.Code, (int)OracleLayout.CodeSize).Fill(OracleLayout.Hlt);
    }

    public Span<byte> Data => new(_ram + GuestLayout.Data, (int)OracleLayout.DataSize);

    /// <summary>True: every instruction is decoded and run for itself. False: blocks, as in a running guest.</summary>
    public bool OneByOne { get; set; }

    public void Run(OracleCase test, out CaseOutcome outcome)
    {
        test.Data.CopyTo(Data);
        WriteCode(test.Address, test.Code);
        Load(test);
        Execute(test);
        Store(out outcome);
        TranslateSoftwareInterrupt(test, ref outcome);
        Span<byte> hlt = stackalloc byte[test.Length];
        hlt.Fill(OracleLayout.Hlt);
        WriteCode(test.Address, hlt);
        outcome.EndAtHalt(test);
    }

    public void Dispose()
    {
        _cpu.Dispose();
        _memory.Dispose();
    }

    private void Execute(OracleCase test)
    {
        if (OneByOne)
        {
            for (int i = 0; i < MaxRounds && !_cpu.Fault.Active; i++)
            {
                _cpu.Execute1();
                _cpu.S->InterruptShadow = 0;
            }
        }
        else
        {
            // A repeated instruction may come back in between.
            for (int i = 0; i < MaxRounds && !_cpu.Fault.Active; i++)
            {
                Interpreter.Run(_cpu, null);
                _cpu.S->InterruptShadow = 0;
            }
        }

        if (!_cpu.Fault.Active) throw new InvalidOperationException($"case {test.Index} of seed {test.Seed} did not end");
    }

    // The code is changed behind the CPU's back, as by a device: it must be told.
    private void WriteCode(uint linear, ReadOnlySpan<byte> bytes)
    {
        ulong physical = linear - OracleLayout.Code + GuestLayout.Code;
        bytes.CopyTo(new Span<byte>(_ram + physical, bytes.Length));
        while (!bytes.IsEmpty)
        {
            int part = (int)Math.Min((ulong)bytes.Length, GuestAddress.PageSize - (physical & (GuestAddress.PageSize - 1)));
            _memory.Memory.PagePointer(physical, out byte* flags, out _);
            if ((*flags & (byte)PageFlags.Code) != 0) _cpu.CodeStored(physical, part, flags);
            bytes = bytes[part..];
            physical += (ulong)part;
        }
    }

    private void Load(OracleCase test)
    {
        CpuState* s = _cpu.S;
        _cpu.Fault = default;
        s->CodeChanged = 0;
        s->InterruptShadow = 0;
        s->Activity = VcpuActivity.Running;
        GuestLayout.LoadSystemState(_cpu, test.Bitness);
        for (int i = 0; i < 16; i++) s->R[i] = test.Input.Gpr[i];
        s->Rip = test.Input.Rip;
        Flags.SetStatus(s, (uint)test.Input.Rflags);
        _cpu.SetSystemFlags((uint)test.Input.Rflags);
        _cpu.UpdateMode();
        fixed (byte* fx = test.Input.Fx) FxCodec.Load(s, new ReadOnlySpan<byte>(fx, MachineImage.FxSize));
    }

    private void Store(out CaseOutcome outcome)
    {
        outcome = default;
        CpuState* s = _cpu.S;
        for (int i = 0; i < 16; i++) outcome.State.Gpr[i] = s->R[i];
        for (int i = 0; i < 6; i++) outcome.State.Selectors[i] = CpuState.Segments(s)[i].Selector;
        outcome.State.Rip = s->Rip;
        outcome.State.Rflags = Flags.Get(s);
        fixed (byte* fx = outcome.State.Fx) FxCodec.Store(s, new Span<byte>(fx, MachineImage.FxSize));
        ref Fault fault = ref _cpu.Fault;
        outcome.Vector = fault.Vector;
        outcome.ErrorCode = fault.HasErrorCode ? fault.ErrorCode : 0;
        outcome.FaultAddress = fault.Vector == Vector.PF ? fault.Address : 0;
    }

    // Delivery would look at the gate: only those of INT3 and INTO are open to CPL 3, as Linux has it.
    private void TranslateSoftwareInterrupt(OracleCase test, ref CaseOutcome outcome)
    {
        if (!_cpu.Fault.IsSoftware || outcome.Vector is BP or OF) return;
        outcome.ErrorCode = ((uint)outcome.Vector * 8) + 2;
        outcome.Vector = Vector.GP;
        outcome.State.Rip = test.Input.Rip + (ulong)test.Length - (ulong)test.Subject.Length;
    }
}
