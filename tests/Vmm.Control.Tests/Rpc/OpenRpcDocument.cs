using System.Collections.Immutable;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using StreamJsonRpc;
using Vmm.Control.Rpc;

namespace Vmm.Control.Tests.Rpc;

/// <summary>Makes the OpenRPC document of the interface from the interface itself, its types and their comments.</summary>
internal sealed class OpenRpcDocument
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly NullabilityInfoContext Nullability = new();

    private readonly XmlComments _comments = new();
    private readonly SortedDictionary<string, JsonObject> _schemas = new(StringComparer.Ordinal);

    private OpenRpcDocument() { }

    public static string Make()
    {
        OpenRpcDocument document = new();
        return document.Whole().ToJsonString(Indented) + "\n";
    }

    public static IEnumerable<MethodInfo> Methods(Type contract)
        => contract.GetMethods().Where(m => m.GetCustomAttribute<JsonRpcMethodAttribute>() is not null).OrderBy(NameOf, StringComparer.Ordinal);

    public static string NameOf(MethodInfo method) => method.GetCustomAttribute<JsonRpcMethodAttribute>()!.Name!;

    public static IEnumerable<ParameterInfo> Parameters(MethodInfo method) => method.GetParameters().Where(p => p.ParameterType != typeof(CancellationToken));

    private JsonObject Whole()
    {
        JsonArray methods = [.. Methods(typeof(IDomainRpc)).Select(MethodOf)];
        JsonArray notifications = [.. Methods(typeof(IDomainNotifications)).Select(NotificationOf)];
        Schema(typeof(RpcErrorData));
        return new JsonObject
        {
            ["openrpc"] = "1.3.2",
            ["info"] = new JsonObject
            {
                ["title"] = "Vmm domain",
                ["version"] = "1.0.0",
                ["description"] = "What the socket of a domain answers: JSON-RPC 2.0 with a message on each line, or behind Content-Length headers. "
                    + "Parameters go by name or by place. Properties that are null are left out of results. Batches are not served. "
                    + "An error's data has the causes of the error, the outermost first, and the last lines of the domain's log (RpcErrorData).",
            },
            ["methods"] = methods,
            ["x-notifications"] = notifications,
            ["components"] = new JsonObject
            {
                ["schemas"] = new JsonObject(_schemas.Select(s => KeyValuePair.Create<string, JsonNode?>(s.Key, s.Value))),
                ["errors"] = new JsonObject(Enum.GetValues<RpcErrorCode>().Select(code => KeyValuePair.Create<string, JsonNode?>(code.ToString(), ErrorOf(code)))),
            },
        };
    }

    private JsonObject MethodOf(MethodInfo method)
    {
        JsonObject made = Describe(method);
        made["result"] = ResultOf(method);
        IEnumerable<RpcErrorCode> codes = method.GetCustomAttribute<RpcErrorsAttribute>()?.Codes ?? [];
        made["errors"] = new JsonArray([.. codes.Prepend(RpcErrorCode.InvalidParameters).Select(code => Reference("errors", code.ToString()))]);
        return made;
    }

    // An event goes over the socket as its properties.
    private JsonObject NotificationOf(MethodInfo method) => Describe(method);

    private JsonObject Describe(MethodInfo method)
    {
        bool isFlat = method.GetCustomAttribute<JsonRpcMethodAttribute>()!.UseSingleObjectParameterDeserialization;
        IEnumerable<JsonNode?> parameters = isFlat ? Flat(Parameters(method).Single().ParameterType) : Parameters(method).Select(ParameterOf);
        return new JsonObject
        {
            ["name"] = NameOf(method),
            ["summary"] = _comments.Of(method),
            ["paramStructure"] = isFlat ? "by-name" : "either",
            ["params"] = new JsonArray([.. parameters]),
        };
    }

    private JsonObject ParameterOf(ParameterInfo parameter) => new()
    {
        ["name"] = parameter.Name,
        ["description"] = _comments.Of(parameter),
        ["required"] = !parameter.HasDefaultValue,
        ["schema"] = Schema(parameter.ParameterType),
    };

    private IEnumerable<JsonNode?> Flat(Type type) => type.GetProperties().Select(property => new JsonObject
    {
        ["name"] = JsonNamingPolicy.CamelCase.ConvertName(property.Name),
        ["description"] = _comments.OfProperty(type, property.Name),
        ["required"] = !IsNullable(property),
        ["schema"] = Schema(property.PropertyType),
    });

    private JsonObject ResultOf(MethodInfo method)
    {
        Type type = method.ReturnType.IsGenericType ? method.ReturnType.GetGenericArguments()[0] : typeof(void);
        return new JsonObject { ["name"] = type == typeof(void) ? "nothing" : "result", ["schema"] = type == typeof(void) ? new JsonObject { ["type"] = "null" } : Schema(type) };
    }

    private JsonObject ErrorOf(RpcErrorCode code) => new()
    {
        ["code"] = (int)code,
        ["message"] = _comments.OfValue(typeof(RpcErrorCode), code.ToString()),
    };

    private JsonObject Schema(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string)) return new JsonObject { ["type"] = "string" };
        if (type == typeof(bool)) return new JsonObject { ["type"] = "boolean" };
        if (type == typeof(double)) return new JsonObject { ["type"] = "number" };
        if (type == typeof(int) || type == typeof(long)) return new JsonObject { ["type"] = "integer" };
        if (type == typeof(ulong) || type == typeof(uint)) return new JsonObject { ["type"] = "integer", ["minimum"] = 0 };
        if (type == typeof(Guid)) return new JsonObject { ["type"] = "string", ["format"] = "uuid" };
        if (type == typeof(DateTimeOffset)) return new JsonObject { ["type"] = "string", ["format"] = "date-time" };
        if (type == typeof(byte[])) return new JsonObject { ["type"] = "string", ["contentEncoding"] = "base64" };
        // What is in it is said in words.
        if (type == typeof(JsonElement)) return new JsonObject { ["type"] = new JsonArray("object", "string") };
        if (ItemOf(type) is { } item) return new JsonObject { ["type"] = "array", ["items"] = Schema(item) };
        if (!_schemas.ContainsKey(type.Name))
        {
            _schemas[type.Name] = new JsonObject();
            _schemas[type.Name] = type.IsEnum ? Enumeration(type) : Record(type);
        }

        return Reference("schemas", type.Name);
    }

    private static Type? ItemOf(Type type)
        => type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) || type.GetGenericTypeDefinition() == typeof(ImmutableArray<>)) ? type.GetGenericArguments()[0] : null;

    private JsonObject Enumeration(Type type) => new()
    {
        ["description"] = _comments.Of(type),
        ["oneOf"] = new JsonArray([.. Enum.GetNames(type).Select(name => new JsonObject
        {
            ["const"] = JsonNamingPolicy.CamelCase.ConvertName(name),
            ["description"] = _comments.OfValue(type, name) is { Length: > 0 } said ? said : name,
        })]),
    };

    private JsonObject Record(Type type)
    {
        PropertyInfo[] properties = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)];
        JsonObject schema = new() { ["type"] = "object", ["description"] = _comments.Of(type), ["properties"] = new JsonObject(properties.Select(p => PropertyOf(type, p))) };
        string[] required = [.. properties.Where(p => !IsNullable(p) && !HasDefault(type, p)).Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name))];
        if (required.Length != 0) schema["required"] = new JsonArray([.. required.Select(name => JsonValue.Create(name))]);
        return schema;
    }

    private KeyValuePair<string, JsonNode?> PropertyOf(Type type, PropertyInfo property)
    {
        JsonObject schema = Schema(property.PropertyType);
        string description = _comments.OfProperty(type, property.Name);
        if (description.Length != 0) schema["description"] = description;
        return new(JsonNamingPolicy.CamelCase.ConvertName(property.Name), schema);
    }

    private static bool HasDefault(Type type, PropertyInfo property)
        => type.GetConstructors().SelectMany(c => c.GetParameters()).Any(p => p.Name == property.Name && p.HasDefaultValue);

    private static bool IsNullable(PropertyInfo property) => Nullability.Create(property).ReadState == NullabilityState.Nullable;

    private static JsonObject Reference(string kind, string name) => new() { ["$ref"] = $"#/components/{kind}/{name}" };
}
