using System.CommandLine;
using Vmm.Storage;
using Vmm.Storage.Qcow2;

namespace Vmm.Cli;

/// <summary><c>vmm image create</c>.</summary>
internal static class ImageCreateCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<string[]> options = new("--option", "-o") { HelpName = "K=V,…", Description = $"For qcow2: {ImageOptions.Forms}." };
        Option<string?> backing = new("--backing-file", "-b") { HelpName = "FILE", Description = "The image that shows through where the new one has nothing." };
        Option<string?> backingFormat = new("--backing-format", "-F") { HelpName = "raw|qcow2", Description = "Its format." };
        Argument<string> file = ImageCommand.File(description: "The new image. What the file held is lost.");
        Argument<string?> size = new("SIZE") { Arity = ArgumentArity.ZeroOrOne, Description = "The disk's size, with K, M, G or T. [default: the backing file's]" };
        Command command = new("create", "Make an empty image.") { format, options, backing, backingFormat, file, size };
        command.SetAction(result => ImageCommand.Run(() => Make(
            result.GetRequiredValue(format), result.GetRequiredValue(file), result.GetValue(size), result.GetValue(options) ?? [],
            result.GetValue(backing), result.GetValue(backingFormat))));
        return command;
    }

    private static int Make(string format, string path, string? sizeText, string[] texts, string? backingFile, string? backingFormat)
    {
        ImageFormat parsed = ImageFormats.Parse(format);
        Qcow2CreateOptions options = ImageOptions.Parse(texts, sizeText is null ? 0 : ImageCommand.ParseSize(sizeText));
        if (backingFile is not null) options = options with { BackingFile = backingFile };
        if (backingFormat is not null) options = options with { BackingFormat = ImageFormats.Parse(backingFormat) };
        if (parsed == ImageFormat.Raw && (texts.Length != 0 || options.BackingFile is not null)) throw new ImageException("a raw image has no options and no backing file");
        if (options.BackingFile is { } below)
        {
            if (options.BackingFormat is not { } belowFormat) throw new ImageException("the format of the backing file must be said (-F)");
            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            using IDiskImage image = DiskImages.Open(Path.Combine(folder, below), belowFormat, new ImageOpenOptions { ReadOnly = true, AllowBacking = true });
            if (sizeText is null) options = options with { SizeBytes = image.SizeBytes };
        }
        else if (sizeText is null)
        {
            throw new ImageException("a size is needed");
        }

        using IDiskImage made = parsed == ImageFormat.Raw ? DiskImages.CreateRaw(path, options.SizeBytes) : DiskImages.CreateQcow2(path, options);
        return (int)ExitCode.Ok;
    }
}
