using System.CommandLine;
using System.Globalization;
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
            Qcow2Info? qcow2 = image.Format == ImageFormat.Qcow2 ? Qcow2Tools.Describe(path) : null;
            IReadOnlyList<SnapshotInfo> snapshots = qcow2 is null ? [] : Qcow2Tools.Snapshots(image);
            result.InvocationConfiguration.Output.WriteLine(result.GetValue(json) ? Json(image, qcow2, snapshots) : Text(image, qcow2, snapshots));
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    private static string Text(IDiskImage image, Qcow2Info? qcow2, IReadOnlyList<SnapshotInfo> snapshots)
    {
        StringBuilder text = new();
        Line("image", image.Name);
        Line("format", image.Format.Name());
        Line("disk size", $"{SizeText.Format(image.SizeBytes)} ({image.SizeBytes} bytes)");
        Line("on the host", $"{SizeText.Format(image.AllocatedBytes)}");
        if (qcow2 is not null)
        {
            Line("version", qcow2.Version == 2 ? "2 (compat 0.10)" : "3 (compat 1.1)");
            Line("cluster size", SizeText.Format((ulong)qcow2.ClusterBytes));
            Line("refcount bits", qcow2.RefcountBits.ToString(CultureInfo.InvariantCulture));
            Line("compression", qcow2.Compression == Storage.Qcow2.Qcow2Compression.Zstd ? "zstd" : "zlib");
            if (qcow2.BackingFile is not null) Line("backing file", $"{qcow2.BackingFile} ({qcow2.BackingFormat ?? "format not said"})");
            string marks = string.Join(", ", Marks(qcow2));
            if (marks.Length != 0) Line("marks", marks);
        }

        foreach (SnapshotInfo snapshot in snapshots) Line("snapshot", $"{snapshot.Id} {snapshot.Name} {snapshot.Taken:yyyy-MM-dd HH:mm:ss}");
        return text.ToString().TrimEnd();

        void Line(string name, string value) => text.Append((name + ":").PadRight(15)).Append(value).Append('\n');
    }

    private static IEnumerable<string> Marks(Qcow2Info info)
    {
        if (info.IsDirty) yield return "dirty";
        if (info.IsCorrupt) yield return "corrupt";
        if (info.LazyRefcounts) yield return "lazy refcounts";
        if (info.HasSubclusters) yield return "subclusters";
        if (info.HasBitmaps) yield return "bitmaps";
    }

    private static string Json(IDiskImage image, Qcow2Info? qcow2, IReadOnlyList<SnapshotInfo> snapshots) => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("filename", image.Name);
        json.WriteString("format", image.Format.Name());
        json.WriteNumber("virtual-size", image.SizeBytes);
        json.WriteNumber("actual-size", image.AllocatedBytes);
        if (qcow2 is not null) WriteQcow2(json, qcow2);
        json.WriteStartArray("snapshots");
        foreach (SnapshotInfo snapshot in snapshots) ImageSnapshotCommand.Write(json, snapshot);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void WriteQcow2(Utf8JsonWriter json, Qcow2Info info)
    {
        json.WriteNumber("cluster-size", info.ClusterBytes);
        json.WriteString("compat", info.Version == 2 ? "0.10" : "1.1");
        json.WriteNumber("refcount-bits", info.RefcountBits);
        json.WriteString("compression-type", info.Compression == Storage.Qcow2.Qcow2Compression.Zstd ? "zstd" : "zlib");
        json.WriteBoolean("lazy-refcounts", info.LazyRefcounts);
        json.WriteBoolean("extended-l2", info.HasSubclusters);
        json.WriteBoolean("bitmaps", info.HasBitmaps);
        json.WriteBoolean("dirty-flag", info.IsDirty);
        json.WriteBoolean("corrupt", info.IsCorrupt);
        if (info.BackingFile is not null) json.WriteString("backing-filename", info.BackingFile);
        if (info.BackingFormat is not null) json.WriteString("backing-filename-format", info.BackingFormat);
    }
}
