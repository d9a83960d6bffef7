using System.Globalization;

namespace Vmm.Control.Xl;

/// <summary>A vif's rate: so many bytes in each interval (xl-network-configuration).</summary>
public readonly record struct XlRate(ulong BytesPerInterval, uint IntervalMicroseconds)
{
    private const uint DefaultIntervalUs = 50_000;
    private const ulong MicrosecondsPerSecond = 1_000_000;
    private const int BitsPerByte = 8;

    private static readonly (string Suffix, ulong Factor, bool IsBits)[] Units =
    [
        ("Gb/s", 1_000_000_000, true), ("Mb/s", 1_000_000, true), ("Kb/s", 1_000, true), ("b/s", 1, true),
        ("GB/s", 1_000_000_000, false), ("MB/s", 1_000_000, false), ("KB/s", 1_000, false), ("B/s", 1, false),
    ];

    private static readonly (string Suffix, ulong Microseconds)[] IntervalUnits = [("us", 1), ("ms", 1_000), ("s", MicrosecondsPerSecond)];

    /// <summary>The rate over time.</summary>
    public ulong BytesPerSecond => (ulong)((UInt128)BytesPerInterval * MicrosecondsPerSecond / IntervalMicroseconds);

    /// <summary>Reads "1MB/s", "10Mb/s@20ms".</summary>
    public static bool TryParse(string text, out XlRate rate)
    {
        rate = default;
        int at = text.IndexOf('@', StringComparison.Ordinal);
        uint interval = DefaultIntervalUs;
        if (at >= 0 && !TryInterval(text.AsSpan(at + 1), out interval)) return false;
        ReadOnlySpan<char> speed = at < 0 ? text : text.AsSpan(0, at);
        foreach ((string suffix, ulong factor, bool isBits) in Units)
        {
            if (!speed.EndsWith(suffix, StringComparison.Ordinal)) continue;
            if (!ulong.TryParse(speed[..^suffix.Length], NumberStyles.None, CultureInfo.InvariantCulture, out ulong count) || count > ulong.MaxValue / factor) return false;
            UInt128 perSecond = (UInt128)count * factor / (isBits ? BitsPerByte : 1u);
            ulong bytes = (ulong)(perSecond * interval / MicrosecondsPerSecond);
            rate = new XlRate(bytes, interval);
            return bytes != 0;
        }

        return false;
    }

    private static bool TryInterval(ReadOnlySpan<char> text, out uint microseconds)
    {
        microseconds = 0;
        foreach ((string suffix, ulong factor) in IntervalUnits)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal)) continue;
            if (!uint.TryParse(text[..^suffix.Length], NumberStyles.None, CultureInfo.InvariantCulture, out uint count)) return false;
            ulong sum = count * factor;
            microseconds = (uint)Math.Min(sum, uint.MaxValue);
            return sum is > 0 and <= uint.MaxValue;
        }

        return false;
    }
}
