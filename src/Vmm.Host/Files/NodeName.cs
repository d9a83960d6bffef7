using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <summary>One name in a directory, as the kernel takes it. Names that could lead anywhere else do not come through.</summary>
internal static class NodeName
{
    /// <summary>Bytes of a buffer for a name and its zero.</summary>
    public const int BufferBytes = 256;

    /// <summary>Copies a name and puts a zero behind it.</summary>
    /// <returns>EINVAL for nothing, ".", "..", or a name with a slash or a zero; ENAMETOOLONG beyond 255 bytes; else 0.</returns>
    public static int Copy(ReadOnlySpan<byte> name, Span<byte> to)
    {
        if (name.Length >= BufferBytes) return Errno.ENAMETOOLONG;
        if (name.IsEmpty || name.IndexOfAny((byte)'/', (byte)0) >= 0 || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)) return Errno.EINVAL;
        return CopyText(name, to);
    }

    /// <summary>As <see cref="Copy"/>, for what need not be a name: a link's target, an attribute, a path.</summary>
    /// <returns>EINVAL for nothing or a zero within; ENAMETOOLONG when it does not fit; else 0.</returns>
    public static int CopyText(ReadOnlySpan<byte> text, Span<byte> to)
    {
        if (text.Length >= to.Length) return Errno.ENAMETOOLONG;
        if (text.IsEmpty || text.Contains((byte)0)) return Errno.EINVAL;
        text.CopyTo(to);
        to[text.Length] = 0;
        return 0;
    }
}
