using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Vmm.Cli;

/// <summary>JSON written by hand: nothing is found by reflection.</summary>
internal static class JsonText
{
    public static string Of(Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping })) write(writer);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
