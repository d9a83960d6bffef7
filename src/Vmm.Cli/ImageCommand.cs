using System.CommandLine;
using System.CommandLine.Help;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Storage;

namespace Vmm.Cli;

/// <summary><c>vmm image</c>: work on disk images. What its verbs share.</summary>
internal static class ImageCommand
{
    /// <summary>The work could not be done.</summary>
    public const int Failed = 1;

    // For the verbs that have no codes of their own.
    private const string ExitCodes = """

        Exit codes:
            0  done
            1  it could not be done, and why is said
        """;

    public static Command Create()
    {
        Command command = new("image", "Make, examine and convert disk images.")
        {
            ImageCreateCommand.Create(),
            ImageInfoCommand.Create(),
            ImageCheckCommand.Create(),
            ImageConvertCommand.Create(),
            ImageResizeCommand.Create(),
            ImageSnapshotCommand.Create(),
            ImageCommitCommand.Create(),
            ImageMapCommand.Create(),
            ImageCompareCommand.Create(),
        };
        foreach (Command verb in command.Subcommands)
        {
            if (!verb.Options.OfType<HelpOption>().Any()) CommandLine.AppendToHelp(verb, ExitCodes);
        }

        return command;
    }

    /// <summary>As qemu-img has it, where 2 is a finding of <c>check</c>; but 1 would be one of <c>compare</c>.</summary>
    public static int BadArguments(Command verb) => verb.Name == ImageCompareCommand.Name ? ImageCompareCommand.CannotCompare : Failed;

    /// <summary>The format, which is always said.</summary>
    public static Option<string> Format(string name = "--format", string alias = "-f", string what = "image") => new(name, alias)
    {
        HelpName = ImageFormats.Choice,
        Required = true,
        Description = $"The format of the {what}. It is never guessed: a guest can write any header into its disk.",
    };

    public static Argument<string> File(string name = "FILE", string description = "The image.") => new(name) { Description = description };

    public static Option<bool> Json() => new("--json") { Description = "Print the result as JSON." };

    public static Option<bool> Backing() => new("--backing") { Description = "Read the backing files that the image names." };

    /// <summary>Does the work of a verb; a failure is one line and an exit code.</summary>
    public static int Run(Func<int> work, int failed = Failed)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is ImageException or LinuxException)
        {
            StandardError.Error(e.Message.ReplaceLineEndings(" "));
            return failed;
        }
    }

    /// <summary>Opens an image and warns when a raw one looks like something else.</summary>
    public static IDiskImage Open(string path, string format, ImageOpenOptions options)
    {
        ImageFormat parsed = ImageFormats.Parse(format);
        IDiskImage image = DiskImages.Open(path, parsed, options);
        if (parsed == ImageFormat.Raw && DiskImages.LooksLike(path) is { } other)
            StandardError.Note($"{path} begins like a {other} image; it is taken as raw, as you said");
        return image;
    }

    /// <exception cref="ImageException">It is no size.</exception>
    public static ulong ParseSize(string text)
    {
        if (!SizeText.TryParse(text, out ulong bytes)) throw new ImageException($"'{text}' is no size; 512M or 2G would be");
        // As qemu-img does.
        return bytes > long.MaxValue - 511 ? throw new ImageException($"'{text}' is too large") : (bytes + 511) & ~511UL;
    }
}
