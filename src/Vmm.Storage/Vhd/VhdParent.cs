using System.Text;

namespace Vmm.Storage.Vhd;

/// <summary>The image that shows through a differencing one.</summary>
/// <param name="path">As it is to stand in the image.</param>
/// <param name="uniqueId">The parent's, by which it is known again.</param>
/// <param name="timestamp">The parent's.</param>
/// <param name="nameOffset">Where the name is put in the new image's file.</param>
internal sealed class VhdParent(string path, byte[] uniqueId, uint timestamp, ulong nameOffset)
{
    private const uint MostNameBytes = VhdLocator.SpaceBytes;

    public string Path => path;

    public ReadOnlySpan<byte> UniqueId => uniqueId;

    public uint Timestamp => timestamp;

    /// <summary>The name as Windows writes it, in UTF-16.</summary>
    public byte[] NameBytes { get; } = Encode(path);

    public VhdLocator Locator => new(System.IO.Path.IsPathRooted(path) ? VhdLocator.W2ku : VhdLocator.W2ru, (uint)NameBytes.Length, nameOffset);

    /// <summary>The path of an image's parent, in this host's form: relative paths are relative to the image.</summary>
    /// <exception cref="ImageException">The image does not say it in a form that is known.</exception>
    public static string PathOf(IImageFile file, VhdHeader header)
    {
        foreach (uint platform in (ReadOnlySpan<uint>)[VhdLocator.W2ru, VhdLocator.W2ku, VhdLocator.MacX])
        {
            for (int i = 0; i < VhdLocator.Count; i++)
            {
                VhdLocator locator = header.Locator(i);
                if (locator.Platform == platform && Decode(file, locator) is { Length: > 0 } name) return name;
            }
        }

        return FromWindows(header.ParentName) is { Length: > 0 } last ? last
            : throw new ImageException($"{file.Name} is a differencing disk and does not say where its parent is");
    }

    private static string? Decode(IImageFile file, VhdLocator locator)
    {
        if (locator.Length is 0 or > MostNameBytes || locator.Offset > file.Length || locator.Offset + locator.Length > file.Length) return null;
        byte[] bytes = new byte[locator.Length];
        file.Read(locator.Offset, bytes);
        if (locator.Platform != VhdLocator.MacX) return FromWindows(Encoding.Unicode.GetString(bytes).TrimEnd('\0'));
        const string Scheme = "file://";
        string url = Encoding.UTF8.GetString(bytes).TrimEnd('\0');
        return url.StartsWith(Scheme, StringComparison.Ordinal) ? Uri.UnescapeDataString(url[Scheme.Length..]) : null;
    }

    private static string FromWindows(string name)
    {
        string path = name.Replace('\\', '/');
        return path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;
    }

    private static byte[] Encode(string path)
    {
        byte[] name = Encoding.Unicode.GetBytes((System.IO.Path.IsPathRooted(path) ? path : "./" + path).Replace('/', '\\'));
        return name.Length <= MostNameBytes ? name : throw new ImageException("the name of the backing file is too long for a differencing disk");
    }
}
