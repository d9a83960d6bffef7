using System.CommandLine;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image convert</c>.</summary>
internal static class ImageConvertCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format(what: "source");
        Option<string> outputFormat = ImageCommand.Format("--output-format", "-O", "new image");
        Option<string[]> options = new("--option", "-o") { HelpName = "K=V,…", Description = $"For {ImageOptions.Forms}." };
        Option<bool> compress = new("--compress", "-c") { Description = "Compress; qcow2, and vmdk with subformat=streamOptimized, which always does." };
        Option<string?> snapshot = new("--snapshot", "-l") { HelpName = "NAME", Description = "Take this internal snapshot of the source." };
        Option<bool> backing = ImageCommand.Backing();
        Option<bool> sync = new("--sync") { Description = "End only when the new image is safe on the disk." };
        Argument<string> from = ImageCommand.File("SOURCE", "The image to copy.");
        Argument<string> to = ImageCommand.File("TARGET", "The new image. What the file held is lost.");
        Command command = new("convert", "Copy a disk into a new image; zeros take no room there.") { format, outputFormat, options, compress, snapshot, backing, sync, from, to };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            using IDiskImage source = ImageCommand.Open(result.GetRequiredValue(from), result.GetRequiredValue(format),
                new ImageOpenOptions { ReadOnly = true, AllowBacking = result.GetValue(backing) });
            if (result.GetValue(snapshot) is { } name) Qcow2Tools.ShowSnapshot(source, name);
            ImageOptions made = ImageOptions.Parse(ImageFormats.Parse(result.GetRequiredValue(outputFormat)), result.GetValue(options) ?? []);
            if (made.BackingFile is not null) throw new ImageException("a converted image holds everything itself: it has no backing file");
            if (made.Format == ImageFormat.Raw && result.GetValue(compress)) throw new ImageException("a raw image has no compression");
            Copy(source, result.GetRequiredValue(to), made, result.GetValue(compress), ignoreFlush: !result.GetValue(sync));
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    private static void Copy(IDiskImage source, string path, ImageOptions options, bool compress, bool ignoreFlush)
    {
        using ProgressBar bar = new();
        if (options.IsStream)
        {
            ImageConverter.CopyToStream(source, path, options.Vmdk(source.SizeBytes), ignoreFlush, bar.Report);
            return;
        }

        using IDiskImage target = options.Make(path, source.SizeBytes, backing: null, ignoreFlush);
        ImageConverter.Copy(source, target, compress, bar.Report);
    }
}
