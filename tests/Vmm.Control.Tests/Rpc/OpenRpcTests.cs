using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Vmm.Control.Rpc;
using Vmm.TestKit;

namespace Vmm.Control.Tests.Rpc;

public sealed class OpenRpcTests : IDisposable
{
    // Set to 1 to write the document anew after a change of the interface.
    private const string WriteVariable = "VMM_WRITE_OPENRPC";

    private readonly RunningDomain _domain = new(RunningDomain.Spin);

    public void Dispose() => _domain.Dispose();

    [Fact]
    public async Task Discover_Document_IsWhatTheCodeSays()
    {
        string made = OpenRpcDocument.Make();
        string path = Path.Combine(Repository.Root, "src", "Vmm.Control", "Rpc", "openrpc.json");
        if (Environment.GetEnvironmentVariable(WriteVariable) == "1") File.WriteAllText(path, made);
        using DomainClient client = new(_domain.Host.Folder);

        JsonElement served = await client.Domain.DiscoverAsync(default);

        Assert.True(File.ReadAllText(path) == made, $"the interface has changed: run this test with {WriteVariable}=1, build again, and look at the difference");
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(made), JsonNode.Parse(served.GetRawText())), "the embedded document is not the one in the source");
    }

    [Fact]
    public void Document_EveryMethod_IsServedAndNamesItsParametersResultAndErrors()
    {
        JsonElement methods = Parse().GetProperty("methods");
        Dictionary<string, MethodInfo> code = OpenRpcDocument.Methods(typeof(IDomainRpc)).ToDictionary(OpenRpcDocument.NameOf);

        Assert.Equal(code.Keys.Order(StringComparer.Ordinal), methods.EnumerateArray().Select(m => m.GetProperty("name").GetString()));
        foreach (JsonElement method in methods.EnumerateArray())
        {
            string name = method.GetProperty("name").GetString()!;
            Assert.NotEqual("", method.GetProperty("summary").GetString());
            Assert.Equal(OpenRpcDocument.Parameters(code[name]).Select(p => p.Name), method.GetProperty("params").EnumerateArray().Select(p => p.GetProperty("name").GetString()));
            Assert.All(method.GetProperty("params").EnumerateArray(), p => Assert.False(string.IsNullOrEmpty(p.GetProperty("description").GetString()), $"{name}: a parameter is not described"));
            Assert.True(method.GetProperty("result").TryGetProperty("schema", out _));
            IEnumerable<string> errors = (code[name].GetCustomAttribute<RpcErrorsAttribute>()?.Codes ?? []).Select(c => $"#/components/errors/{c}");
            Assert.Superset(errors.ToHashSet(), method.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("$ref").GetString()!).ToHashSet());
        }
    }

    [Fact]
    public void Document_EveryMethod_IsKnownToTheSocketByThatName()
    {
        foreach (JsonElement method in Parse().GetProperty("methods").EnumerateArray())
        {
            // A parameter that none of them has.
            string answer = _domain.Say($$"""{"jsonrpc":"2.0","id":1,"method":"{{method.GetProperty("name").GetString()}}","params":{"no such parameter":1} }""" + "\n");

            JsonElement error = JsonDocument.Parse(answer).RootElement.GetProperty("error");
            Assert.True((int)RpcErrorCode.InvalidParameters == error.GetProperty("code").GetInt32(), answer);
        }
    }

    [Fact]
    public void Document_EveryReference_LeadsSomewhereAndEverythingIsDescribed()
    {
        JsonElement document = Parse();
        JsonElement components = document.GetProperty("components");
        Assert.Equal(Enum.GetValues<RpcErrorCode>().Select(c => (int)c).Order(), components.GetProperty("errors").EnumerateObject().Select(e => e.Value.GetProperty("code").GetInt32()).Order());
        Assert.All(components.GetProperty("errors").EnumerateObject(), e => Assert.NotEqual("", e.Value.GetProperty("message").GetString()));
        foreach (string reference in References(document))
        {
            string[] path = reference.Split('/');
            Assert.True(components.GetProperty(path[2]).TryGetProperty(path[3], out _), reference);
        }

        foreach (JsonProperty schema in components.GetProperty("schemas").EnumerateObject())
        {
            Assert.False(string.IsNullOrEmpty(schema.Value.GetProperty("description").GetString()), schema.Name);
            if (!schema.Value.TryGetProperty("properties", out JsonElement properties)) continue;
            Assert.All(properties.EnumerateObject(), p => Assert.True(p.Value.TryGetProperty("description", out _), $"{schema.Name}.{p.Name} is not described"));
        }
    }

    [Fact]
    public async Task Results_OfARunningDomain_HaveWhatTheirSchemasRequire()
    {
        using DomainClient client = new(_domain.Host.Folder);
        await client.Domain.AddDeviceAsync("rng", DomainClient.Words(""), default);
        JsonElement document = Parse();
        foreach (string method in new[] { "domain.info", "domain.vcpus", "device.list", "console.list" })
        {
            JsonElement result = JsonDocument.Parse(_domain.Say($$"""{"jsonrpc":"2.0","id":1,"method":"{{method}}"}""" + "\n")).RootElement.GetProperty("result");
            JsonElement schema = document.GetProperty("methods").EnumerateArray().First(m => m.GetProperty("name").GetString() == method).GetProperty("result").GetProperty("schema");
            AssertFits(result, schema, document, method);
        }
    }

    private static void AssertFits(JsonElement value, JsonElement schema, JsonElement document, string where)
    {
        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            string[] path = reference.GetString()!.Split('/');
            AssertFits(value, document.GetProperty("components").GetProperty(path[2]).GetProperty(path[3]), document, where);
            return;
        }

        if (schema.TryGetProperty("oneOf", out JsonElement values))
        {
            Assert.Contains(value.GetString(), values.EnumerateArray().Select(v => v.GetProperty("const").GetString()));
            return;
        }

        JsonValueKind[] expected = schema.GetProperty("type").GetString() switch
        {
            "object" => [JsonValueKind.Object],
            "array" => [JsonValueKind.Array],
            "string" => [JsonValueKind.String],
            "boolean" => [JsonValueKind.True, JsonValueKind.False],
            _ => [JsonValueKind.Number],
        };
        Assert.True(expected.Contains(value.ValueKind), $"{where} is a {value.ValueKind}");
        if (value.ValueKind == JsonValueKind.Array)
        {
            Assert.NotEmpty(value.EnumerateArray());
            foreach (JsonElement item in value.EnumerateArray()) AssertFits(item, schema.GetProperty("items"), document, where);
        }

        if (value.ValueKind != JsonValueKind.Object) return;
        Assert.All(schema.GetProperty("required").EnumerateArray(), name => Assert.True(value.TryGetProperty(name.GetString()!, out _), $"{where}.{name} is missing"));
        foreach (JsonProperty property in value.EnumerateObject()) AssertFits(property.Value, schema.GetProperty("properties").GetProperty(property.Name), document, $"{where}.{property.Name}");
    }

    private static JsonElement Parse() => JsonDocument.Parse(OpenRpcDocument.Make()).RootElement;

    private static IEnumerable<string> References(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(p => p.Name == "$ref" ? [p.Value.GetString()!] : References(p.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(References),
        _ => [],
    };
}
