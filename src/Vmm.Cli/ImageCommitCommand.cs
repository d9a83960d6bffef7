using System.CommandLine;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image commit</c>.</summary>
internal static class ImageCommitCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Argument<string> file = ImageCommand.File();
        Command command = new("commit", "Write what an image has of its own into its backing file. The image itself stays as it is.") { format, file };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            string path = result.GetRequiredValue(file);
            ImageFormat parsed = ImageFormats.Parse(result.GetRequiredValue(format));
            if (ImageDescriber.Describe(path, parsed) is not { BackingFile: { } name } info) throw new ImageException($"{path} has no backing file");
            if (info.BackingFormat is null) throw new ImageException($"{path} does not say the format of its backing file, and it is not guessed");
            // Above, only what is its own is read, so the file below is free to be written.
            using IDiskImage image = DiskImages.OpenAlone(path, parsed);
            string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            using IDiskImage below = DiskImages.Open(Path.Combine(folder, name), ImageFormats.Parse(info.BackingFormat), new ImageOpenOptions { AllowBacking = true });
            using ProgressBar bar = new();
            ImageCommitter.Commit(image, below, bar.Report);
            return (int)ExitCode.Ok;
        }));
        return command;
    }
}
