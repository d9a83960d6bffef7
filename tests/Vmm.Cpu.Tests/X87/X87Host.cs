using Vmm.Cpu.Tests.Float;

namespace Vmm.Cpu.Tests.X87;

/// <summary>One x87 instruction on the host: the image is loaded, the instruction runs with RDX at the operand, the image is stored again.</summary>
internal sealed unsafe class X87Host(ReadOnlySpan<byte> instruction) : IDisposable
{
    private readonly HostCode _code = new(
    [
        0x48, 0x8d, 0x57, X87Image.OperandOffset, // lea rdx, [rdi+112]
        0xdd, 0x27, // frstor [rdi]
        0xff, 0xb7, 0x80, 0, 0, 0, // push qword [rdi+128]
        0x9d, // popf
        .. instruction,
        0xdd, 0x37, // fnsave [rdi]
        0x9c, // pushf
        0x8f, 0x87, 0x80, 0, 0, 0, // pop qword [rdi+128]
        0xc3,
    ]);

    public void Run(ref X87Image image)
    {
        fixed (X87Image* pointer = &image) ((delegate* unmanaged<X87Image*, void>)_code.Address)(pointer);
    }

    public void Dispose() => _code.Dispose();
}
