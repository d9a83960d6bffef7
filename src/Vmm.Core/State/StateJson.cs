using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Vmm.Core.State;

/// <summary>Reads states that may come from anybody.</summary>
public static class StateJson
{
    /// <summary>Reads one.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="form">What it is to be. Of its own accord the form refuses null where none belongs, but in lists.</param>
    /// <param name="what">For messages.</param>
    /// <exception cref="StateException">It is something else.</exception>
    public static T Parse<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> form, string what) where T : class
    {
        try
        {
            RefuseNullInLists(json, what);
            return JsonSerializer.Deserialize(json, form) ?? throw new StateException($"{what}: the state is null");
        }
        catch (JsonException e)
        {
            string line = e.Message.ReplaceLineEndings(" ");
            throw new StateException($"{what}: {line}", e);
        }
    }

    private static void RefuseNullInLists(ReadOnlySpan<byte> json, string what)
    {
        Utf8JsonReader reader = new(json);
        JsonTokenType before = JsonTokenType.None;
        while (reader.Read())
        {
            // A null that is no property's value is an element.
            if (reader.TokenType == JsonTokenType.Null && before != JsonTokenType.PropertyName && reader.CurrentDepth != 0) throw new StateException($"{what}: a list holds nothing where a value belongs");
            before = reader.TokenType;
        }
    }
}
