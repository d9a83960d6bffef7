namespace Vmm.Storage;

/// <summary>Zeros into a file, by the cheapest means that the host has.</summary>
internal static class ZeroWriter
{
    private static readonly byte[] Zeros = new byte[64 * 1024];

    /// <summary>Makes a range within the file's length read as zeros.</summary>
    public static void Zero(IImageFile file, ulong offset, ulong count, bool mayUnmap)
    {
        if (mayUnmap && file.TryPunchHole(offset, count)) return;
        if (file.TryZero(offset, count)) return;
        Write(file, offset, count);
    }

    /// <summary>Writes zeros.</summary>
    public static void Write(IImageFile file, ulong offset, ulong count)
    {
        while (count != 0)
        {
            int part = (int)Math.Min(count, (ulong)Zeros.Length);
            file.Write(offset, Zeros.AsSpan(0, part));
            offset += (ulong)part;
            count -= (ulong)part;
        }
    }
}
