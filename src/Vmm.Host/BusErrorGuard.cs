using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// Keeps the process alive when a mapped file is cut short: a touch of a page that the file no longer has is SIGBUS, and this puts an
/// empty page there and counts it. The handler is machine code, because managed code must not run inside a signal; for all other
/// addresses it calls whom it found there. A vCPU on KVM is not helped by it: there the touch ends KVM_RUN with EFAULT.
/// </summary>
internal static unsafe class BusErrorGuard
{
    private const int PageBytes = 4096;

    // In the page behind the code: whom to call, an action that is all zero for the default, then the ranges.
    private const int PreviousOffset = PageBytes;
    private const int RangesOffset = PageBytes + 64;
    private const int MostRanges = 128;

    private static readonly Lock Gate = new();
    private static byte* _pages;

    /// <summary>
    /// void handler(int signal, siginfo_t* info, void* context), position-independent:
    /// finds the range that info->si_addr lies in, counts it up and maps one page of zeros there; else goes on to the previous handler.
    /// </summary>
    private static ReadOnlySpan<byte> Handler =>
    [
        0xf3, 0x0f, 0x1e, 0xfa, //                         endbr64
        0x48, 0x8b, 0x46, 0x10, //                         mov rax, [rsi+16]
        0x4c, 0x8d, 0x05, 0x31, 0x10, 0x00, 0x00, //       lea r8, [ranges]
        0xb9, MostRanges, 0x00, 0x00, 0x00, //             mov ecx, MostRanges
        0x49, 0x3b, 0x00, //                         next: cmp rax, [r8]
        0x72, 0x06, //                                     jb other
        0x49, 0x3b, 0x40, 0x08, //                         cmp rax, [r8+8]
        0x72, 0x33, //                                     jb found
        0x49, 0x83, 0xc0, 0x18, //                  other: add r8, 24
        0xff, 0xc9, //                                     dec ecx
        0x75, 0xed, //                                     jnz next
        0x48, 0x8b, 0x05, 0xd2, 0x0f, 0x00, 0x00, // pass: mov rax, [previous]
        0x48, 0x83, 0xf8, 0x01, //                         cmp rax, SIG_IGN
        0x76, 0x02, //                                     jbe default
        0xff, 0xe0, //                                     jmp rax
        0xbf, 0x07, 0x00, 0x00, 0x00, //          default: mov edi, SIGBUS
        0x48, 0x8d, 0x35, 0xce, 0x0f, 0x00, 0x00, //       lea rsi, [zero action]
        0x31, 0xd2, //                                     xor edx, edx
        0x41, 0xba, 0x08, 0x00, 0x00, 0x00, //             mov r10d, 8
        0xb8, 0x0d, 0x00, 0x00, 0x00, //                   mov eax, SYS_rt_sigaction
        0x0f, 0x05, //                                     syscall
        0xc3, //                                           ret (and fault again)
        0xf0, 0x49, 0xff, 0x40, 0x10, //            found: lock inc qword [r8+16]
        0x57, 0x56, 0x52, //                               push rdi, rsi, rdx
        0x48, 0x89, 0xc7, //                               mov rdi, rax
        0x48, 0x81, 0xe7, 0x00, 0xf0, 0xff, 0xff, //       and rdi, -4096
        0xbe, 0x00, 0x10, 0x00, 0x00, //                   mov esi, 4096
        0xba, 0x03, 0x00, 0x00, 0x00, //                   mov edx, PROT_READ | PROT_WRITE
        0x41, 0xba, 0x32, 0x00, 0x00, 0x00, //             mov r10d, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS
        0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, //       mov r8, -1
        0x45, 0x31, 0xc9, //                               xor r9d, r9d
        0xb8, 0x09, 0x00, 0x00, 0x00, //                   mov eax, SYS_mmap
        0x0f, 0x05, //                                     syscall
        0x5a, 0x5e, 0x5f, //                               pop rdx, rsi, rdi
        0x48, 0x85, 0xc0, //                               test rax, rax
        0x78, 0x9a, //                                     js pass
        0xc3, //                                           ret
    ];

    /// <summary>Guards a mapping.</summary>
    /// <exception cref="LinuxException">There are too many, or the handler cannot be installed.</exception>
    public static void Add(nint address, ulong sizeBytes)
    {
        lock (Gate)
        {
            if (_pages == null) Install();
            Range* free = Find(0);
            if (free == null) throw new LinuxException($"more than {MostRanges} mapped files at once");
            free->Lost = 0;
            free->Start = (ulong)address;
            // Last: an end of 0 keeps the handler away.
            Volatile.Write(ref free->End, (ulong)address + sizeBytes);
        }
    }

    /// <summary>Ends the guard, before the mapping ends.</summary>
    public static void Remove(nint address)
    {
        lock (Gate)
        {
            Range* range = _pages == null ? null : Find((ulong)address);
            if (range == null) return;
            Volatile.Write(ref range->End, 0);
            range->Start = 0;
        }
    }

    /// <summary>Installs the handler, for a process that can make no code later.</summary>
    /// <exception cref="LinuxException">It cannot be installed.</exception>
    public static void Prepare()
    {
        lock (Gate)
        {
            if (_pages == null) Install();
        }
    }

    /// <summary>Pages that were found gone in a mapping.</summary>
    public static ulong LostPages(nint address)
    {
        lock (Gate)
        {
            Range* range = _pages == null ? null : Find((ulong)address);
            return range == null ? 0 : Volatile.Read(ref range->Lost);
        }
    }

    private static void Install()
    {
        nint pages = Libc.Mmap(0, 2 * PageBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if (pages == Libc.MAP_FAILED) throw LinuxException.FromLastError("mapping the handler of bus errors");
        // SAFETY: two pages of our own; the code fits the first, all that is written later lies in the second.
        Handler.CopyTo(new Span<byte>((void*)pages, PageBytes));
        if (Libc.Mprotect(pages, PageBytes, Libc.PROT_READ | Libc.PROT_EXEC) != 0) throw LinuxException.FromLastError("protecting the handler of bus errors");
        Libc.SigAction previous;
        if (Libc.Sigaction(Libc.SIGBUS, null, &previous) != 0) throw LinuxException.FromLastError("sigaction(SIGBUS)");
        *(nint*)(pages + PreviousOffset) = previous.Handler;
        Libc.SigAction action = new() { Handler = pages, Flags = Libc.SA_SIGINFO | Libc.SA_ONSTACK };
        if (Libc.Sigaction(Libc.SIGBUS, &action, null) != 0) throw LinuxException.FromLastError("sigaction(SIGBUS)");
        _pages = (byte*)pages;
    }

    private static Range* Find(ulong start)
    {
        Range* ranges = (Range*)(_pages + RangesOffset);
        for (int i = 0; i < MostRanges; i++)
        {
            if (ranges[i].Start == start) return &ranges[i];
        }

        return null;
    }

    /// <summary>One mapping, as the handler reads it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Range
    {
        public ulong Start;
        public ulong End;
        public ulong Lost;
    }
}
