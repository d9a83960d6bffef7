namespace Vmm.Storage;

/// <summary>The names of the formats.</summary>
public static class ImageFormats
{
    /// <summary>What can be said.</summary>
    public const string Names = "raw, qcow2, vpc, vmdk";

    /// <summary>The same for a placeholder in a help text.</summary>
    public const string Choice = "raw|qcow2|vpc|vmdk";

    private static readonly string[] Known = ["vhdx", "qcow", "qed", "vdi", "parallels", "luks", "cloop", "dmg", "bochs"];

    /// <summary>The format of a name.</summary>
    /// <exception cref="ImageException">There is no such format here.</exception>
    public static ImageFormat Parse(string name) => name switch
    {
        "raw" => ImageFormat.Raw,
        "qcow2" => ImageFormat.Qcow2,
        "vpc" or "vhd" => ImageFormat.Vhd,
        "vmdk" => ImageFormat.Vmdk,
        _ when Known.Contains(name) => throw new ImageException($"the image format '{name}' is not supported; {Names} are"),
        _ => throw new ImageException($"'{name}' is no image format; {Names} are"),
    };

    /// <summary>The name of a format.</summary>
    public static string Name(this ImageFormat format) => format switch
    {
        ImageFormat.Raw => "raw",
        ImageFormat.Qcow2 => "qcow2",
        ImageFormat.Vhd => "vpc",
        _ => "vmdk",
    };
}
