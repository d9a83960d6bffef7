namespace Vmm.Core.Memory;

/// <summary>Atomic bit changes on one byte (<see cref="PageFlags"/>).</summary>
public static class AtomicFlags
{
    /// <summary>Sets the bits of <paramref name="mask"/>.</summary>
    public static void Set(ref byte flags, byte mask)
    {
        byte seen = Volatile.Read(ref flags);
        while (true)
        {
            byte before = Interlocked.CompareExchange(ref flags, (byte)(seen | mask), seen);
            if (before == seen) return;
            seen = before;
        }
    }

    /// <summary>Clears the bits of <paramref name="mask"/>.</summary>
    public static void Clear(ref byte flags, byte mask)
    {
        byte seen = Volatile.Read(ref flags);
        while (true)
        {
            byte before = Interlocked.CompareExchange(ref flags, (byte)(seen & ~mask), seen);
            if (before == seen) return;
            seen = before;
        }
    }
}
