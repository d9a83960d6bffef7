using System.Globalization;

namespace Vmm.Machine.Config;

/// <summary>Sizes as people write them: 512M, 2G, 1048576. K, M, G and T count in powers of 1024.</summary>
public static class SizeText
{
    /// <summary>Reads a size.</summary>
    /// <returns>False when it is no number with an optional suffix, or more than 64 bits hold.</returns>
    public static bool TryParse(string text, out ulong bytes)
    {
        bytes = 0;
        ReadOnlySpan<char> digits = text.AsSpan().Trim();
        if (digits.EndsWith("iB", StringComparison.Ordinal)) digits = digits[..^2];
        if (digits.IsEmpty) return false;
        int shift = ShiftOf(digits[^1]);
        if (shift != 0) digits = digits[..^1];
        if (!ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong count)) return false;
        bytes = count << shift;
        return bytes >> shift == count;
    }

    /// <summary>Writes a size with the largest suffix that needs no fraction.</summary>
    public static string Format(ulong bytes) => bytes switch
    {
        0 => "0",
        _ when bytes % (1UL << 30) == 0 => $"{bytes >> 30}G",
        _ when bytes % (1UL << 20) == 0 => $"{bytes >> 20}M",
        _ when bytes % (1UL << 10) == 0 => $"{bytes >> 10}K",
        _ => $"{bytes}",
    };

    private static int ShiftOf(char suffix) => char.ToUpperInvariant(suffix) switch
    {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => 0,
    };
}
