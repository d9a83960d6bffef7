using System.Text.Json;

namespace Vmm.Control.Rpc;

/// <summary>The description of the interface (OpenRPC 1.3): made of the interface, its types and their comments when they change, and checked against them by a test.</summary>
internal static class OpenRpc
{
    private const string Resource = "openrpc.json";

    private static readonly Lazy<JsonElement> Whole = new(Read);

    /// <summary>The document.</summary>
    public static JsonElement Document => Whole.Value;

    private static JsonElement Read()
    {
        using Stream stream = typeof(OpenRpc).Assembly.GetManifestResourceStream(Resource) ?? throw new InvalidOperationException($"{Resource} is missing");
        using JsonDocument document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }
}
