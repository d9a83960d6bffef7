using System.CommandLine;
using System.Text.Json;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image snapshot</c>.</summary>
internal static class ImageSnapshotCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<bool> list = new("--list", "-l") { Description = "List the snapshots (also without any of these options)." };
        Option<string?> create = new("--create", "-c") { HelpName = "NAME", Description = "Keep the disk as it is now." };
        Option<string?> apply = new("--apply", "-a") { HelpName = "NAME", Description = "Make the disk what it was." };
        Option<string?> delete = new("--delete", "-d") { HelpName = "NAME", Description = "Drop a snapshot." };
        Option<bool> json = ImageCommand.Json();
        Argument<string> file = ImageCommand.File();
        Command command = new("snapshot", "Work on the snapshots inside a qcow2 image.") { format, list, create, apply, delete, json, file };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            (string? made, string? applied, string? dropped) = (result.GetValue(create), result.GetValue(apply), result.GetValue(delete));
            int changes = (made is null ? 0 : 1) + (applied is null ? 0 : 1) + (dropped is null ? 0 : 1);
            if (changes + (result.GetValue(list) ? 1 : 0) > 1) throw new ImageException("one of --list, --create, --apply and --delete at a time");
            using IDiskImage image = ImageCommand.Open(result.GetRequiredValue(file), result.GetRequiredValue(format),
                new ImageOpenOptions { ReadOnly = changes == 0, AllowBacking = true });
            if (made is not null) Qcow2Tools.CreateSnapshot(image, made, DateTimeOffset.UtcNow);
            else if (applied is not null) Qcow2Tools.ApplySnapshot(image, applied);
            else if (dropped is not null) Qcow2Tools.DeleteSnapshot(image, dropped);
            else result.InvocationConfiguration.Output.Write(List(Qcow2Tools.Snapshots(image), result.GetValue(json)));
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    public static void Write(Utf8JsonWriter json, SnapshotInfo snapshot)
    {
        json.WriteStartObject();
        json.WriteString("id", snapshot.Id);
        json.WriteString("name", snapshot.Name);
        json.WriteNumber("date-sec", snapshot.Taken.ToUnixTimeSeconds());
        json.WriteNumber("vm-state-size", snapshot.StateBytes);
        if (snapshot.DiskBytes is { } bytes) json.WriteNumber("disk-size", bytes);
        json.WriteEndObject();
    }

    private static string List(IReadOnlyList<SnapshotInfo> snapshots, bool asJson)
    {
        if (!asJson) return string.Concat(snapshots.Select(s => $"{s.Id,-6}{s.Taken:yyyy-MM-dd HH:mm:ss}  {s.Name}\n"));
        return JsonText.Of(json =>
        {
            json.WriteStartArray();
            foreach (SnapshotInfo snapshot in snapshots) Write(json, snapshot);
            json.WriteEndArray();
        }) + "\n";
    }
}
