using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;
using Vmm.TestKit;

namespace Vmm.Cpu.Tests.X87;

/// <summary>A software CPU in flat 32-bit protected mode without paging, for single x87 instructions with EDI at an <see cref="X87Image"/> and EDX at its operand.</summary>
internal sealed unsafe class X87Guest : IDisposable
{
    public const uint Image = 0x2000, Code = 0x1000;
    private const ulong ProtectedMode = 0x31; // PE, ET, NE
    private const byte Edx = 2, Edi = 7;

    private readonly TestMemory _memory = new((0, 0x10000));

    public X87Guest(ulong cr0 = ProtectedMode, SegmentAttributes codeSize = SegmentAttributes.DB)
    {
        Cpu = new Vmm.Cpu.Cpu(0, _memory.Memory, new CodePages(), new CpuidTable([]), new FakeClock(), new Doorbells(static _ => { }));
        SegmentAttributes common = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.G;
        SegmentState data = new(0x10, 0, uint.MaxValue, common | SegmentAttributes.DB | (SegmentAttributes)3);
        VcpuState state = new()
        {
            Cr0 = cr0,
            Cs = new SegmentState(8, 0, uint.MaxValue, common | codeSize | (SegmentAttributes)11),
            Ss = data,
            Ds = data,
            Es = data,
            Fs = data,
            Gs = data,
            Rip = Code,
        };
        StateCodec.Apply(Cpu, state);
        Memory = (byte*)_memory.Memory.Regions[0].HostAddress;
    }

    public Vmm.Cpu.Cpu Cpu { get; }

    /// <summary>Host address of the guest's physical memory.</summary>
    public byte* Memory { get; }

    /// <summary>Executes one instruction; its fault, if any, is left in the CPU.</summary>
    public void Execute(params ReadOnlySpan<byte> instruction) => ExecuteAt(Image + X87Image.OperandOffset, instruction);

    /// <summary>As <see cref="Execute"/> with another address in EDX.</summary>
    public void ExecuteAt(uint operand, params ReadOnlySpan<byte> instruction)
    {
        instruction.CopyTo(new Span<byte>(Memory + Code, 16));
        Cpu.S->R[Edi] = Image;
        Cpu.S->R[Edx] = operand;
        Cpu.S->Rip = Code;
        Cpu.Execute1();
    }

    /// <summary>The same as <see cref="X87Host.Run"/>.</summary>
    public void Run(ref X87Image image, ReadOnlySpan<byte> instruction)
    {
        *(X87Image*)(Memory + Image) = image;
        Execute(0xdd, 0x27);
        Flags.SetStatus(Cpu.S, (uint)image.Rflags);
        Execute(instruction);
        if (Cpu.Fault.Active) throw new InvalidOperationException($"unexpected fault {Cpu.Fault.Vector}");
        Execute(0xdd, 0x37);
        image = *(X87Image*)(Memory + Image);
        image.Rflags = Flags.Get(Cpu.S);
    }

    public void Dispose()
    {
        Cpu.Dispose();
        _memory.Dispose();
    }
}
