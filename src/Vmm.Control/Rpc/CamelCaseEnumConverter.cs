using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vmm.Control.Rpc;

/// <summary>Values of an enumeration as their names in camel case; numbers are refused.</summary>
internal sealed class CamelCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false) where T : struct, Enum;
