using System.CommandLine;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image compare</c>.</summary>
internal static class ImageCompareCommand
{
    public const string Name = "compare";
    public const int CannotCompare = 2;

    private const int Different = 1;
    private const int CannotMap = 3;
    private const int CannotRead = 4;

    private const string Help = """

        Exit codes:
            0  the disks hold the same
            1  they differ
            2  an image could not be opened
            3  an image does not say where its content lies
            4  an image could not be read
        """;

    public static Command Create()
    {
        Option<string> format = ImageCommand.Format(what: "first image");
        Option<string> secondFormat = ImageCommand.Format("--second-format", "-F", "second image");
        Option<bool> strict = new("--strict", "-s") { Description = "Disks of different sizes differ, even if the rest is zeros." };
        Option<bool> backing = ImageCommand.Backing();
        Argument<string> first = ImageCommand.File("FIRST");
        Argument<string> second = ImageCommand.File("SECOND", "The image to compare it with.");
        Command command = new(Name, "Compare the content of two disks.") { format, secondFormat, strict, backing, first, second };
        CommandLine.AppendToHelp(command, Help);
        command.SetAction(result => ImageCommand.Run(
            () =>
            {
                ImageOpenOptions options = new() { ReadOnly = true, AllowBacking = result.GetValue(backing) };
                using IDiskImage a = ImageCommand.Open(result.GetRequiredValue(first), result.GetRequiredValue(format), options);
                using IDiskImage b = ImageCommand.Open(result.GetRequiredValue(second), result.GetRequiredValue(secondFormat), options);
                TextWriter output = result.InvocationConfiguration.Output;
                if (result.GetValue(strict) && a.SizeBytes != b.SizeBytes)
                {
                    output.WriteLine($"the sizes differ: {a.SizeBytes} and {b.SizeBytes} bytes");
                    return Different;
                }

                return Compare(a, b, output);
            },
            CannotCompare));
        return command;
    }

    private static int Compare(IDiskImage a, IDiskImage b, TextWriter output)
    {
        ulong? at;
        try
        {
            using ProgressBar bar = new();
            at = ImageComparer.FirstDifference(a, b, bar.Report);
        }
        catch (Exception e) when (e is ImageMapException or ImageException)
        {
            StandardError.Error(e.Message.ReplaceLineEndings(" "));
            return e is ImageMapException ? CannotMap : CannotRead;
        }

        output.WriteLine(at is null ? "the disks hold the same" : $"the disks differ at offset {at}");
        return at is null ? (int)ExitCode.Ok : Different;
    }
}
