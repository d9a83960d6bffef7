using System.CommandLine;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image check</c>.</summary>
internal static class ImageCheckCommand
{
    private const int Corrupt = 2;
    private const int Leaks = 3;
    private const int NothingToCheck = 63;

    private const string Help = """

        Exit codes:
            0  the image is in order
            1  it could not be checked, or the arguments are bad
            2  it is corrupt
            3  it has leaked clusters, but is not corrupt
           63  the format has nothing to check
        """;

    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<string?> repair = new("--repair", "-r") { HelpName = "leaks|all", Description = "Mend leaked clusters, or everything that can be mended." };
        Option<bool> json = ImageCommand.Json();
        Argument<string> file = ImageCommand.File();
        Command command = new("check", "Check an image's own book-keeping.") { format, repair, json, file };
        CommandLine.AppendToHelp(command, Help);
        command.SetAction(result => ImageCommand.Run(() =>
        {
            string path = result.GetRequiredValue(file);
            ImageRepair mend = result.GetValue(repair) switch
            {
                null => ImageRepair.None,
                "leaks" => ImageRepair.Leaks,
                "all" => ImageRepair.All,
                string other => throw new ImageException($"'{other}' is none of leaks, all"),
            };
            ImageFormat parsed = ImageFormats.Parse(result.GetRequiredValue(format));
            if (!ImageChecker.CanCheck(parsed))
            {
                StandardError.Error($"a {parsed.Name()} image has nothing to check");
                return NothingToCheck;
            }

            ImageCheckResult found;
            using (ProgressBar bar = new()) found = ImageChecker.Check(path, parsed, mend, bar.Report);
            result.InvocationConfiguration.Output.WriteLine(result.GetValue(json) ? Json(path, parsed, found) : Text(found));
            return found.Corruptions != 0 ? Corrupt : found.Leaks != 0 ? Leaks : (int)ExitCode.Ok;
        }));
        return command;
    }

    private static string Text(ImageCheckResult found)
    {
        List<string> lines = [.. found.Messages];
        if (found.LeaksFixed + found.CorruptionsFixed != 0) lines.Add($"mended: {found.LeaksFixed} leaked clusters, {found.CorruptionsFixed} errors");
        lines.Add(found.IsClean ? "no errors were found" : $"{found.Corruptions} errors, {found.Leaks} leaked clusters");
        lines.Add($"{found.AllocatedClusters} of {found.TotalClusters} clusters are allocated, {found.CompressedClusters} of them compressed; the image ends at {found.EndOffset}");
        return string.Join('\n', lines);
    }

    private static string Json(string path, ImageFormat format, ImageCheckResult found) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("filename", path);
        json.WriteString("format", format.Name());
        json.WriteNumber("check-errors", 0);
        json.WriteNumber("corruptions", found.Corruptions);
        json.WriteNumber("leaks", found.Leaks);
        json.WriteNumber("corruptions-fixed", found.CorruptionsFixed);
        json.WriteNumber("leaks-fixed", found.LeaksFixed);
        json.WriteNumber("allocated-clusters", found.AllocatedClusters);
        json.WriteNumber("compressed-clusters", found.CompressedClusters);
        json.WriteNumber("total-clusters", found.TotalClusters);
        json.WriteNumber("image-end-offset", found.EndOffset);
        json.WriteStartArray("messages");
        foreach (string message in found.Messages) json.WriteStringValue(message);
        json.WriteEndArray();
        json.WriteEndObject();
    });
}
