using Vmm.Core.Memory;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware;

/// <summary>Writes of the firmware, at addresses that were checked against the memory map before: a failure means a machine without RAM there.</summary>
internal static class GuestMemoryExtensions
{
    /// <summary>Copies bytes in.</summary>
    /// <exception cref="BootException">There is no memory.</exception>
    public static void Put(this GuestMemory memory, GuestAddress to, ReadOnlySpan<byte> bytes)
    {
        if (!memory.TryCopyIn(to, bytes)) throw NoMemory(to, (ulong)bytes.Length);
    }

    /// <summary>Zeroes a range.</summary>
    /// <exception cref="BootException">There is no memory.</exception>
    public static void Zero(this GuestMemory memory, GuestAddress to, ulong count)
    {
        if (!memory.TryFill(to, count, 0)) throw NoMemory(to, count);
    }

    private static BootException NoMemory(GuestAddress to, ulong count)
        => new($"boot: the guest has no memory at {to} for {count} bytes");
}
