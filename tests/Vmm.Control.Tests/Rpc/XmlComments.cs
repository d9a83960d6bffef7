using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Vmm.Control.Tests.Rpc;

/// <summary>The comments in the code, from the files that the compiler leaves beside the assemblies.</summary>
internal sealed partial class XmlComments
{
    private readonly Dictionary<string, XElement> _members = [];

    public XmlComments()
    {
        foreach (string file in Directory.GetFiles(AppContext.BaseDirectory, "Vmm.*.xml"))
        {
            foreach (XElement member in XDocument.Load(file).Descendants("member")) _members[member.Attribute("name")!.Value] = member;
        }
    }

    /// <summary>What a type is.</summary>
    public string Of(Type type) => Text(Find($"T:{type.FullName}")?.Element("summary"));

    /// <summary>What a method does.</summary>
    public string Of(MethodInfo method) => Text(Method(method)?.Element("summary"));

    /// <summary>What a parameter of a method means.</summary>
    public string Of(ParameterInfo parameter) => Parameter(Method((MethodInfo)parameter.Member), parameter.Name!);

    /// <summary>What a property means: its own comment, or that of the record's parameter.</summary>
    public string OfProperty(Type type, string property)
        => Find($"P:{type.FullName}.{property}")?.Element("summary") is { } summary ? Text(summary) : Parameter(Find($"T:{type.FullName}"), property);

    /// <summary>What a value of an enumeration means.</summary>
    public string OfValue(Type type, string value) => Text(Find($"F:{type.FullName}.{value}")?.Element("summary"));

    private static string Parameter(XElement? member, string name) => Text(member?.Elements("param").FirstOrDefault(p => p.Attribute("name")?.Value == name));

    private XElement? Method(MethodInfo method)
        => _members.FirstOrDefault(m => m.Key.StartsWith($"M:{method.DeclaringType!.FullName}.{method.Name}(", StringComparison.Ordinal)).Value;

    private XElement? Find(string name) => _members.GetValueOrDefault(name.Replace('+', '.'));

    private static string Text(XElement? element)
    {
        if (element is null) return "";
        string text = string.Concat(element.Nodes().Select(node => node switch
        {
            XText words => words.Value,
            XElement { Name.LocalName: "see" } see => (see.Attribute("cref")?.Value ?? see.Value).Split('.')[^1],
            XElement other => other.Value,
            _ => "",
        }));
        return Space().Replace(text, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
