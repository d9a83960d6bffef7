using Vmm.Core.Bus;

namespace Vmm.TestKit;

/// <summary>
/// A guest that does anything it can: reads and writes of random widths at random offsets of every attached range, while time passes.
/// </summary>
/// <param name="seed">Repeats a run.</param>
public sealed class HostileGuest(int seed)
{
    private static readonly int[] Widths = [1, 1, 1, 2, 4, 4, 8];

    // Values that have hurt before; the rest is random.
    private static readonly ulong[] Favourites = [0, 1, 0x80, 0xff, 0x8000, 0xffff, 0x80000000, 0xffffffff, ulong.MaxValue];

    private readonly Random _random = new(seed);
    private readonly byte[] _data = new byte[8];

    /// <summary>The randomness, for events of the test's own.</summary>
    public Random Random => _random;

    /// <summary>What passes between two accesses, now and then: input, interrupts, restores.</summary>
    public Action<Random>? Meanwhile { get; init; }

    /// <summary>Makes <paramref name="accesses"/> random accesses.</summary>
    /// <returns>Bytes allocated inside the accesses.</returns>
    public long Torment(int accesses, FakeClock clock, params AddressBus[] buses)
    {
        (AddressBus Bus, ulong Start, ulong Size)[] ranges =
            [.. buses.SelectMany(bus => bus.Ranges.Select(r => (bus, r.Start, r.SizeBytes)))];
        long allocated = 0;
        for (int i = 0; i < accesses; i++)
        {
            (AddressBus bus, ulong start, ulong size) = ranges[_random.Next(ranges.Length)];
            ulong address = start + (ulong)_random.NextInt64((long)Math.Min(size, _random.Next(2) == 0 ? 0x400ul : size));
            if (_random.Next(2) == 0) address &= ~3ul;
            allocated += Access(bus, address);
            if (_random.Next(16) == 0) clock.Advance(_random.NextInt64(1L << _random.Next(1, 25)));
            if (_random.Next(32) == 0) Meanwhile?.Invoke(_random);
        }

        return allocated;
    }

    private long Access(AddressBus bus, ulong address)
    {
        Span<byte> data = _data.AsSpan(0, Widths[_random.Next(Widths.Length)]);
        BitConverter.TryWriteBytes(_data, _random.Next(3) == 0 ? Favourites[_random.Next(Favourites.Length)] : (ulong)_random.NextInt64());
        int vcpu = _random.Next(3);
        bool write = _random.Next(2) == 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        if (write) bus.Write(address, data, vcpu);
        else bus.Read(address, data, vcpu);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
