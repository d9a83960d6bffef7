namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>Offsets in the kernel's struct ucontext for x86-64: 40 bytes of header, then one qword for each REG_ index.</summary>
internal static class UserContext
{
    private const int Gregs = 40;
    public const int REG_RIP = Gregs + (8 * 16);
    public const int REG_CSGSFS = Gregs + (8 * 18);
    public const int REG_ERR = Gregs + (8 * 19);
    public const int REG_TRAPNO = Gregs + (8 * 20);
    public const int REG_CR2 = Gregs + (8 * 22);
}
