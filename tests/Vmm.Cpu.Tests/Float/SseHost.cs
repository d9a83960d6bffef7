namespace Vmm.Cpu.Tests.Float;

/// <summary>One scalar SSE operation on xmm0 and xmm1 of the host, under a given MXCSR with every exception masked.</summary>
internal sealed unsafe class SseHost(ReadOnlySpan<byte> operation) : IDisposable
{
    private readonly HostCode _code = new(
    [
        0x48, 0x83, 0xec, 0x08, // sub rsp, 8
        0x0f, 0xae, 0x1c, 0x24, // stmxcsr [rsp]
        0xf2, 0x0f, 0x10, 0x47, 0x08, // movsd xmm0, [rdi+8]
        0xf2, 0x0f, 0x10, 0x4f, 0x10, // movsd xmm1, [rdi+16]
        0x0f, 0xae, 0x17, // ldmxcsr [rdi]
        .. operation,
        0x0f, 0xae, 0x5f, 0x04, // stmxcsr [rdi+4]
        0xf2, 0x0f, 0x11, 0x47, 0x18, // movsd [rdi+24], xmm0
        0x0f, 0xae, 0x14, 0x24, // ldmxcsr [rsp]
        0x48, 0x83, 0xc4, 0x08, // add rsp, 8
        0xc3,
    ]);

    /// <summary>The low 64 bits of xmm0 afterwards.</summary>
    public ulong Run(uint mxcsr, ulong a, ulong b, out uint mxcsrAfter)
    {
        ulong* block = stackalloc ulong[4];
        block[0] = mxcsr;
        block[1] = a;
        block[2] = b;
        ((delegate* unmanaged<ulong*, void>)_code.Address)(block);
        mxcsrAfter = (uint)(block[0] >> 32);
        return block[3];
    }

    public void Dispose() => _code.Dispose();
}
