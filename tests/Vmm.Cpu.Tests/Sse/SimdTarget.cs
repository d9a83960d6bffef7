using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using Vmm.Cpu.Tests.Oracle;
using Vmm.Cpu.Tests.Oracle.Generation;
using Vmm.Cpu.Tests.Oracle.Software;
using Vmm.TestKit;

namespace Vmm.Cpu.Tests.Sse;

/// <summary>One software CPU of a chosen model, whose control registers a test may change, in the oracle's surroundings. Runs one instruction.</summary>
internal sealed unsafe class SimdTarget : IDisposable
{
    private readonly TestMemory _memory = new(GuestLayout.MemorySize);
    private readonly byte* _ram;

    public SimdTarget(string model = "x86-64-v2,+aes,+pclmulqdq")
    {
        _ram = _memory.Memory.PagePointer(0, out _, out _);
        GuestLayout.Fill(new Span<byte>(_ram, (int)GuestLayout.MemorySize));
        Cpu = new Cpu(0, _memory.Memory, new CodePages(), CpuidBuilder.Software(CpuModel.Parse(model)).Build(0), new FakeClock(), new Doorbells(static _ => { }));
        GuestLayout.LoadSystemState(Cpu, 64);
    }

    public Cpu Cpu { get; }

    public CaseOutcome Run(OracleCase test)
    {
        test.Data.CopyTo(new Span<byte>(_ram + GuestLayout.Data, test.Data.Length));
        test.Code.CopyTo(new Span<byte>(_ram + GuestLayout.Code + (test.Address - OracleLayout.Code), test.Length));
        CpuState* s = Cpu.S;
        for (int i = 0; i < 16; i++) s->R[i] = test.Input.Gpr[i];
        s->Rip = test.Input.Rip;
        Cpu.UpdateMode();
        fixed (byte* fx = test.Input.Fx) FxCodec.Load(s, new ReadOnlySpan<byte>(fx, MachineImage.FxSize));
        Cpu.Execute1();
        CaseOutcome outcome = new() { Vector = Cpu.Fault.Active ? Cpu.Fault.Vector : CaseOutcome.NoFault };
        outcome.State.Rip = s->Rip;
        FxCodec.Store(s, new Span<byte>(outcome.State.Fx, MachineImage.FxSize));
        Cpu.Fault = default;
        return outcome;
    }

    public void Dispose()
    {
        Cpu.Dispose();
        _memory.Dispose();
    }
}
