using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>Where a network device's link ends.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(TapLinkConfig), "tap")]
[JsonDerivedType(typeof(StreamLinkConfig), "stream")]
[JsonDerivedType(typeof(UserLinkConfig), "user")]
[JsonDerivedType(typeof(VifLinkConfig), "vif")]
public abstract record NetLinkConfig
{
    /// <summary>Finds what is wrong with it.</summary>
    /// <param name="path">Where it stands: "net[0]".</param>
    /// <param name="net">The device around it.</param>
    /// <param name="errors">Takes the mistakes.</param>
    internal abstract void Check(string path, NetConfig net, List<ConfigError> errors);
}
