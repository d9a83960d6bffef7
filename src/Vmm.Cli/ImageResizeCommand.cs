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
        Argument<string> size = new("SIZE") { Description = "The new size, or how much is added or taken away: +1G, -1G." };
        Command command = new("resize", "Change a disk's size; what is new reads as zeros.") { format, shrink, file, size };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            using IDiskImage image = ImageCommand.Open(result.GetRequiredValue(file), result.GetRequiredValue(format), new ImageOpenOptions { AllowBacking = true });
            string text = result.GetRequiredValue(size);
            ulong wanted = Wanted(text, image.SizeBytes);
            if (wanted < image.SizeBytes && !result.GetValue(shrink))
                throw new ImageException($"the disk has {image.SizeBytes} bytes; to make it smaller, which loses what lies behind, say --shrink");
            image.Resize(wanted);
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    private static ulong Wanted(string text, ulong now)
    {
        if (text.Length == 0 || text[0] is not ('+' or '-')) return ImageCommand.ParseSize(text);
        ulong change = ImageCommand.ParseSize(text[1..]);
        // Neither is more than half of what the type holds.
        if (text[0] == '+') return now + change;
        return change <= now ? now - change : throw new ImageException($"the disk has {now} bytes, which is less than what is to be taken away");
    }
}
