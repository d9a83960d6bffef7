using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Vmm.Control.Xl;

/// <summary>The place of a virtual disk: hda, sdb1, xvdaa, d2p3 or the bare number (xen-vbd-interface).</summary>
/// <param name="Name">As it was written.</param>
/// <param name="Bus">"hd", "sd" or "xvd".</param>
/// <param name="Disk">From 0.</param>
/// <param name="Partition">From 1; 0 for the whole disk.</param>
public sealed record XlVirtualDevice(string Name, string Bus, int Disk, int Partition)
{
    private const int XvdMajor = 202, HdMajor = 3, Hd2Major = 22, SdMajor = 8;
    private const int MajorShift = 8, NarrowShift = 4, HdShift = 6, WideShift = 8;
    private const int NarrowDisks = 16, NarrowPartitions = 16, HdPartitions = 64, HdDisksPerMajor = 2, WidePartitions = 256;
    private const int Extended = 1 << 28, MostWideDisks = 1 << 20;
    private const int Letters = 26, MostLetters = 4, MostDigits = 9;

    /// <summary>The number that stands for it in xenstore.</summary>
    public int Number => Bus switch
    {
        "hd" when Disk < HdDisksPerMajor => (HdMajor << MajorShift) | (Disk << HdShift) | Partition,
        "hd" => (Hd2Major << MajorShift) | ((Disk - HdDisksPerMajor) << HdShift) | Partition,
        "sd" => (SdMajor << MajorShift) | (Disk << NarrowShift) | Partition,
        _ when Disk < NarrowDisks && Partition < NarrowPartitions => (XvdMajor << MajorShift) | (Disk << NarrowShift) | Partition,
        _ => Extended | (Disk << WideShift) | Partition,
    };

    /// <summary>Reads one of the forms.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out XlVirtualDevice? device)
    {
        device = null;
        foreach (string bus in (ReadOnlySpan<string>)["xvd", "hd", "sd"])
        {
            if (!text.StartsWith(bus, StringComparison.Ordinal) || !TryLetters(text.AsSpan(bus.Length), out int disk, out int partition)) continue;
            bool isPossible = bus switch
            {
                "hd" => disk < 2 * HdDisksPerMajor && partition < HdPartitions,
                "sd" => disk < NarrowDisks && partition < NarrowPartitions,
                _ => disk < MostWideDisks && partition < WidePartitions,
            };
            if (!isPossible) return false;
            device = new(text, bus, disk, partition);
            return true;
        }

        if (TryPlace(text, out int number, out int part)) device = new(text, "xvd", number, part);
        else if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bare)) device = OfNumber(text, bare);
        return device is not null;
    }

    private static XlVirtualDevice? OfNumber(string text, int number)
    {
        int minor = number & byte.MaxValue;
        if ((number & Extended) != 0) return new(text, "xvd", (number & ~Extended) >> WideShift, minor);
        return (number >> MajorShift) switch
        {
            XvdMajor => new(text, "xvd", minor >> NarrowShift, minor & (NarrowPartitions - 1)),
            SdMajor => new(text, "sd", minor >> NarrowShift, minor & (NarrowPartitions - 1)),
            HdMajor => new(text, "hd", minor >> HdShift, minor & (HdPartitions - 1)),
            Hd2Major => new(text, "hd", (minor >> HdShift) + HdDisksPerMajor, minor & (HdPartitions - 1)),
            _ => null,
        };
    }

    // a is 0, z is 25, aa is 26.
    private static bool TryLetters(ReadOnlySpan<char> text, out int disk, out int partition)
    {
        (disk, partition) = (0, 0);
        int letters = 0;
        while (letters < text.Length && text[letters] is >= 'a' and <= 'z') letters++;
        if (letters is 0 or > MostLetters) return false;
        foreach (char letter in text[..letters]) disk = (disk * Letters) + (letter - 'a' + 1);
        disk--;
        ReadOnlySpan<char> digits = text[letters..];
        return digits.IsEmpty || (digits.Length <= MostDigits && digits[0] != '0' && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out partition));
    }

    private static bool TryPlace(string text, out int disk, out int partition)
    {
        (disk, partition) = (0, 0);
        int at = text.IndexOf('p', StringComparison.Ordinal);
        if (!text.StartsWith('d')) return false;
        ReadOnlySpan<char> first = at < 0 ? text.AsSpan(1) : text.AsSpan(1, at - 1);
        return int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out disk) && disk < MostWideDisks
            && (at < 0 || (int.TryParse(text.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out partition) && partition < WidePartitions));
    }
}
