using System.CommandLine;
using Vmm.Storage;

namespace Vmm.Cli;

/// <summary><c>vmm image resize</c>.</summary>
internal static class ImageResizeCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<bool> shrink = new("--shrink") { Description = "Allow a smaller size: what lies behind it is lost." };
        Argument<string> file = ImageCommand.File();
        Argument<string> size = new("SIZE") { Description = "The new size, or how much is added: +1G." };
        Command command = new("resize", "Change a disk's size; what is new reads as zeros.") { format, shrink, file, size };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            using IDiskImage image = ImageCommand.Open(result.GetRequiredValue(file), result.GetRequiredValue(format), new ImageOpenOptions { AllowBacking = true });
            string text = result.GetRequiredValue(size);
            ulong wanted = text.StartsWith('+') ? checked(image.SizeBytes + ImageCommand.ParseSize(text[1..])) : ImageCommand.ParseSize(text);
            if (wanted < image.SizeBytes && !result.GetValue(shrink))
                throw new ImageException($"the disk has {image.SizeBytes} bytes; to make it smaller, which loses what lies behind, say --shrink");
            image.Resize(wanted);
            return (int)ExitCode.Ok;
        }));
        return command;
    }
}
