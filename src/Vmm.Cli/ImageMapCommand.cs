using System.CommandLine;
using System.Text.Json;
using Vmm.Storage;
using Vmm.Storage.Tools;

namespace Vmm.Cli;

/// <summary><c>vmm image map</c>.</summary>
internal static class ImageMapCommand
{
    public static Command Create()
    {
        Option<string> format = ImageCommand.Format();
        Option<bool> backing = ImageCommand.Backing();
        Option<bool> json = ImageCommand.Json();
        Argument<string> file = ImageCommand.File();
        Command command = new("map", "Say where each piece of a disk lies.") { format, backing, json, file };
        command.SetAction(result => ImageCommand.Run(() =>
        {
            using IDiskImage image = ImageCommand.Open(result.GetRequiredValue(file), result.GetRequiredValue(format),
                new ImageOpenOptions { ReadOnly = true, AllowBacking = result.GetValue(backing) });
            TextWriter output = result.InvocationConfiguration.Output;
            if (result.GetValue(json)) output.WriteLine(Json(image));
            else WriteText(output, image);
            return (int)ExitCode.Ok;
        }));
        return command;
    }

    private static void WriteText(TextWriter output, IDiskImage image)
    {
        output.WriteLine($"{"offset",-18}{"length",-18}{"at",-18}file");
        foreach (MappedPiece piece in ImageMapper.Pieces(image))
        {
            if (piece.Kind is BlockExtentKind.Unallocated or BlockExtentKind.Zero) continue;
            string at = piece.HostOffset is { } place ? $"0x{place:x}" : piece.Kind == BlockExtentKind.Compressed ? "compressed" : "-";
            output.WriteLine($"{$"0x{piece.Offset:x}",-18}{$"0x{piece.Length:x}",-18}{at,-18}{piece.File}");
        }
    }

    private static string Json(IDiskImage image) => JsonText.Of(json =>
    {
        json.WriteStartArray();
        foreach (MappedPiece piece in ImageMapper.Pieces(image)) Write(json, piece);
        json.WriteEndArray();
    });

    private static void Write(Utf8JsonWriter json, in MappedPiece piece)
    {
        json.WriteStartObject();
        json.WriteNumber("start", piece.Offset);
        json.WriteNumber("length", piece.Length);
        json.WriteNumber("depth", piece.Depth);
        json.WriteBoolean("present", piece.Kind != BlockExtentKind.Unallocated);
        json.WriteBoolean("zero", piece.Kind is BlockExtentKind.Unallocated or BlockExtentKind.Zero);
        json.WriteBoolean("data", piece.Kind is BlockExtentKind.Data or BlockExtentKind.Compressed);
        json.WriteBoolean("compressed", piece.Kind == BlockExtentKind.Compressed);
        if (piece.HostOffset is { } place) json.WriteNumber("offset", place);
        if (piece.Kind is BlockExtentKind.Data or BlockExtentKind.Compressed) json.WriteString("filename", piece.File);
        json.WriteEndObject();
    }
}
