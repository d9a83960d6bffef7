using System.CommandLine;
using Vmm.Storage;

namespace Vmm.Cli;

/// <summary><c>vmm image create</c>.</summary>
internal static class ImageCreateCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<string[]> options = new("--option", "-o") { HelpName = "K=V,…", Description = $"For {ImageOptions.Forms}." };
        Option<string?> backing = new("--backing-file", "-b") { HelpName = "FILE", Description = "The image that shows through where the new one has nothing." };
        Option<string?> backingFormat = new("--backing-format", "-F") { HelpName = ImageFormats.Choice, Description = "Its format." };
        Argument<string> file = ImageCommand.File(description: "The new image. What the file held is lost.");
        Argument<string?> size = new("SIZE") { Arity = ArgumentArity.ZeroOrOne, Description = "The disk's size, with K, M, G or T. [default: the backing file's]" };
        Command command = new("create", "Make an empty image.") { format, options, backing, backingFormat, file, size };
        command.SetAction(result => ImageCommand.Run(() => Make(
            ImageOptions.Parse(ImageFormats.Parse(result.GetRequiredValue(format)), result.GetValue(options) ?? [], result.GetValue(backing), result.GetValue(backingFormat)),
            result.GetRequiredValue(file), result.GetValue(size) is { } text ? ImageCommand.ParseSize(text) : null)));
        return command;
    }

    private static int Make(ImageOptions options, string path, ulong? size)
    {
        IDiskImage? backing = options.BackingFile is null ? null : OpenBacking(options, path);
        try
        {
            if ((size ?? backing?.SizeBytes) is not { } bytes) throw new ImageException("a size is needed");
            if (options.Format == ImageFormat.Vhd && backing is not null && bytes != backing.SizeBytes)
                throw new ImageException($"a differencing VHD image has the size of its parent, {backing.SizeBytes} bytes");
            using IDiskImage made = options.Make(path, bytes, backing, ignoreFlush: false);
            return (int)ExitCode.Ok;
        }
        finally
        {
            backing?.Dispose();
        }
    }

    private static IDiskImage OpenBacking(ImageOptions options, string path)
    {
        if (options.BackingFormat is not { } format) throw new ImageException("the format of the backing file must be said (-F)");
        if (options.Format != ImageFormat.Qcow2 && format != options.Format) throw new ImageException($"a {options.Format.Name()} image can only lie over another {options.Format.Name()} image");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return DiskImages.Open(Path.Combine(folder, options.BackingFile!), format, new ImageOpenOptions { ReadOnly = true, AllowBacking = true });
    }
}
