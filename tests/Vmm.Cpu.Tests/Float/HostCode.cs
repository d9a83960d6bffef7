using System.Runtime.InteropServices;

namespace Vmm.Cpu.Tests.Float;

/// <summary>A page of machine code that the tests emit and run on the host.</summary>
internal sealed unsafe partial class HostCode : IDisposable
{
    private const int Size = 4096, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20;

    public HostCode(params ReadOnlySpan<byte> code)
    {
        Address = mmap(null, Size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if ((nint)Address == -1) throw new InvalidOperationException("mmap failed");
        code.CopyTo(new Span<byte>(Address, Size));
        if (mprotect(Address, Size, PROT_READ | PROT_EXEC) != 0) throw new InvalidOperationException("mprotect failed");
    }

    public void* Address { get; }

    public void Dispose() => _ = munmap(Address, Size);

    [LibraryImport("libc")]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);
}
