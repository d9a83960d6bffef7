using Vmm.Host.Native;

namespace Vmm.Host.Processes;

/// <summary>The name by which tools show this process.</summary>
public static unsafe class ProcessTitle
{
    private const int PR_SET_NAME = 15;

    /// <summary>Sets it, on the process's first thread.</summary>
    /// <param name="name">At most 15 bytes with the zero behind them.</param>
    public static void Set(ReadOnlySpan<byte> name)
    {
        // SAFETY: the kernel reads up to the zero, or 16 bytes of this buffer.
        byte* bytes = stackalloc byte[16];
        new Span<byte>(bytes, 16).Clear();
        name[..Math.Min(name.Length, 15)].CopyTo(new Span<byte>(bytes, 15));
        _ = Libc.Prctl(PR_SET_NAME, (nuint)bytes, 0, 0, 0);
    }
}
