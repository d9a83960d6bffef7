using System.Globalization;
using Vmm.Host.Native;

namespace Vmm.Host.Sandbox;

/// <summary>
/// Has every thread of this process make the same system calls, for those that count for the calling thread alone: capabilities and Landlock.
/// A signal brings the threads to it, and its handler is machine code, because managed code must not run inside a signal.
/// </summary>
internal static unsafe class EveryThread
{
    /// <summary>SIGRTMAX - 1: nobody else uses it.</summary>
    private const int Signal = 63;

    private const string Tasks = "/proc/self/task";
    private const int PageBytes = 4096;
    private const int TasksOffset = PageBytes, MostTasks = 1024;
    private const int DoneOffset = 2 * PageBytes, CountOffset = DoneOffset + 4, ErrorOffset = DoneOffset + 8, CallsOffset = DoneOffset + 64;
    private const int MostCalls = (3 * PageBytes - CallsOffset) / 48;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly Lock Gate = new();

    /// <summary>
    /// void handler(int signal), position-independent: makes the calls, keeps the last error, and notes its thread. What it leaves in
    /// registers does not matter: the return from a signal restores them all.
    /// </summary>
    private static ReadOnlySpan<byte> Handler =>
    [
        0xf3, 0x0f, 0x1e, 0xfa, //                         endbr64
        0x48, 0x8d, 0x1d, 0x35, 0x20, 0x00, 0x00, //       lea rbx, [calls]
        0x8b, 0x2d, 0xf3, 0x1f, 0x00, 0x00, //             mov ebp, [count]
        0x48, 0x8b, 0x03, //                         next: mov rax, [rbx]
        0x48, 0x8b, 0x7b, 0x08, //                         mov rdi, [rbx+8]
        0x48, 0x8b, 0x73, 0x10, //                         mov rsi, [rbx+16]
        0x48, 0x8b, 0x53, 0x18, //                         mov rdx, [rbx+24]
        0x4c, 0x8b, 0x53, 0x20, //                         mov r10, [rbx+32]
        0x4c, 0x8b, 0x43, 0x28, //                         mov r8, [rbx+40]
        0x0f, 0x05, //                                     syscall
        0x48, 0x85, 0xc0, //                               test rax, rax
        0x79, 0x07, //                                     jns good
        0x48, 0x89, 0x05, 0xd2, 0x1f, 0x00, 0x00, //       mov [error], rax
        0x48, 0x83, 0xc3, 0x30, //                   good: add rbx, 48
        0xff, 0xcd, //                                     dec ebp
        0x75, 0xd3, //                                     jnz next
        0xb8, 0xba, 0x00, 0x00, 0x00, //                   mov eax, SYS_gettid
        0x0f, 0x05, //                                     syscall
        0xb9, 0x01, 0x00, 0x00, 0x00, //                   mov ecx, 1
        0xf0, 0x0f, 0xc1, 0x0d, 0xae, 0x1f, 0x00, 0x00, // lock xadd [done], ecx
        0x81, 0xe1, 0xff, 0x03, 0x00, 0x00, //             and ecx, MostTasks - 1
        0x48, 0x8d, 0x15, 0xa1, 0x0f, 0x00, 0x00, //       lea rdx, [tasks]
        0x89, 0x04, 0x8a, //                               mov [rdx+rcx*4], eax
        0xc3, //                                           ret
    ];

    /// <summary>Makes the calls on every thread, and on those that are started meanwhile.</summary>
    /// <param name="calls">What to do, in this order.</param>
    /// <param name="isDone">Whether a thread, by its folder in /proc, has it from the one that started it; null where no thread is asked twice to its harm.</param>
    /// <exception cref="LinuxException">A call failed on a thread, or a thread does not come to it.</exception>
    public static void Do(ReadOnlySpan<ThreadCall> calls, Func<string, bool>? isDone = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(calls.Length, MostCalls);
        lock (Gate)
        {
            byte* pages = (byte*)Libc.Mmap(0, 3 * PageBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
            if ((nint)pages == Libc.MAP_FAILED) throw LinuxException.FromLastError("mapping the handler of a signal");
            // SAFETY: three pages of our own: the code fits the first, the noted threads the second, the calls the third.
            Handler.CopyTo(new Span<byte>(pages, PageBytes));
            calls.CopyTo(new Span<ThreadCall>(pages + CallsOffset, calls.Length));
            *(int*)(pages + CountOffset) = calls.Length;
            if (Libc.Mprotect((nint)pages, PageBytes, Libc.PROT_READ | Libc.PROT_EXEC) != 0) throw LinuxException.FromLastError("protecting the handler of a signal");
            Libc.SigAction action = new() { Handler = (nint)pages, Mask = ulong.MaxValue, Flags = Libc.SA_RESTART }, previous;
            if (Libc.Sigaction(Signal, &action, &previous) != 0) throw LinuxException.FromLastError("sigaction(SIGRTMAX - 1)");
            Bring(pages, isDone);
            _ = Libc.Sigaction(Signal, &previous, null);
            if (*(long*)(pages + ErrorOffset) is var error and not 0) throw new LinuxException("confining a thread", (int)-error);
            _ = Libc.Munmap((nint)pages, 3 * PageBytes);
        }
    }

    private static void Bring(byte* pages, Func<string, bool>? isDone)
    {
        HashSet<int> asked = [];
        DateTime end = DateTime.UtcNow + Patience;
        int process = Libc.GetPid(), self = Libc.GetTid();
        // A thread that has not come to it may start another one, so the list is read until all have.
        while (true)
        {
            bool isAll = true;
            foreach (int thread in Threads())
            {
                if (thread == self || IsNoted(pages, thread)) continue;
                if (!asked.Contains(thread) && isDone?.Invoke($"{Tasks}/{thread}") == true) continue;
                isAll = false;
                if (asked.Add(thread)) _ = Libc.Tgkill(process, thread, Signal);
            }

            if (isAll) break;
            if (asked.Count >= MostTasks - 1 || DateTime.UtcNow > end) throw new LinuxException($"confining {asked.Count} threads: one of them does not come to it");
            Thread.Sleep(1);
        }

        // Last, since it may not be able to read the list any more. A signal to oneself has come when this returns.
        _ = Libc.Tgkill(process, self, Signal);
        if (!IsNoted(pages, self)) throw new LinuxException("confining this thread: its signal does not come");
    }

    private static bool IsNoted(byte* pages, int thread) => new ReadOnlySpan<int>(pages + TasksOffset, MostTasks).Contains(thread);

    // Workers of an io_uring take no signals; what they do they do in the name of who asked for it.
    private static IEnumerable<int> Threads()
        => from path in Directory.EnumerateDirectories(Tasks)
           where !IsKernelWorker(path)
           select int.Parse(Path.GetFileName(path.AsSpan()), CultureInfo.InvariantCulture);

    private static bool IsKernelWorker(string path)
    {
        try
        {
            return File.ReadAllText($"{path}/comm").StartsWith("iou-", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // It has ended.
            return true;
        }
    }
}
