using System.CommandLine;
using System.Text;
using System.Text.Json;
using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image info</c>.</summary>
internal static class ImageInfoCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<bool> json = ImageCommand.Json();
        Argument<string> file = ImageCommand.File();
        Command command = new("info", "Say what an image is.") { format, json, file };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            string path = result.GetRequiredValue(file);
            // Only this image is looked at: what it names below may be anything.
            using IDiskImage image = DiskImages.OpenAlone(path, ImageFormats.Parse(result.GetRequiredValue(format)));
            ImageDetails details = ImageDescriber.Describe(path, image.Format);
            IReadOnlyList<SnapshotInfo> snapshots = image.Format == ImageFormat.Qcow2 ? Qcow2Tools.Snapshots(image) : [];
            result.InvocationConfiguration.Output.WriteLine(result.GetValue(json) ? Json(image, details, snapshots) : Text(image, details, snapshots));
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    private static string Text(IDiskImage image, ImageDetails details, IReadOnlyList<SnapshotInfo> snapshots)
    {
        StringBuilder text = new();
        Line("image", image.Name);
        Line("format", image.Format.Name());
        Line("disk size", $"{SizeText.Format(image.SizeBytes)} ({image.SizeBytes} bytes)");
        Line("on the host", $"{SizeText.Format(image.AllocatedBytes)}");
        foreach ((string name, string value) in details.Lines) Line(name, value);
        if (details.BackingFile is not null) Line("backing file", $"{details.BackingFile} ({details.BackingFormat ?? "format not said"})");
        foreach (SnapshotInfo snapshot in snapshots) Line("snapshot", $"{snapshot.Id} {snapshot.Name} {snapshot.Taken:yyyy-MM-dd HH:mm:ss}");
        return text.ToString().TrimEnd();

        void Line(string name, string value) => text.Append((name + ":").PadRight(15)).Append(value).Append('\n');
    }

    private static string Json(IDiskImage image, ImageDetails details, IReadOnlyList<SnapshotInfo> snapshots) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("filename", image.Name);
        json.WriteString("format", image.Format.Name());
        json.WriteNumber("virtual-size", image.SizeBytes);
        json.WriteNumber("actual-size", image.AllocatedBytes);
        foreach ((string key, object value) in details.Fields) Write(json, key, value);
        if (details.BackingFile is not null) json.WriteString("backing-filename", details.BackingFile);
        if (details.BackingFormat is not null) json.WriteString("backing-filename-format", details.BackingFormat);
        json.WriteStartArray("snapshots");
        foreach (SnapshotInfo snapshot in snapshots) ImageSnapshotCommand.Write(json, snapshot);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void Write(Utf8JsonWriter json, string key, object value)
    {
        if (value is bool truth) json.WriteBoolean(key, truth);
        else if (value is long number) json.WriteNumber(key, number);
        else json.WriteString(key, (string)value);
    }
}
