namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>SplitMix64: small, fast, and every 64-bit seed gives a good stream, so that a case can be made again from its number.</summary>
internal struct Rng
{
    private const ulong Golden = 0x9e3779b97f4a7c15;
    private ulong _state;

    public Rng(ulong seed) => _state = seed;

    /// <summary>The generator of one numbered case of a run.</summary>
    public static Rng ForCase(ulong seed, long index) => new(Mix(seed + (Golden * (ulong)index)) ^ seed);

    public ulong Next() => Mix(_state += Golden);

    /// <summary>0 to <paramref name="bound"/> − 1.</summary>
    public int Below(int bound) => (int)(((Next() >> 32) * (ulong)bound) >> 32);

    /// <summary>From the first to the last value, both included.</summary>
    public int Between(int first, int last) => first + Below(last - first + 1);

    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(ReadOnlySpan<T> from) => from[Below(from.Length)];

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
}
