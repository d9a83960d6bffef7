namespace Vmm.Fuzz;

/// <summary>An input that a target did not bear.</summary>
/// <param name="What">What happened.</param>
/// <param name="Input">The bytes.</param>
public sealed record FuzzFinding(string What, byte[] Input)
{
    /// <summary>Keeps the input where it can be run again.</summary>
    /// <returns>The file.</returns>
    public string Save(IFuzzTarget target)
    {
        string path = Path.Combine(Path.GetTempPath(), $"vmm-fuzz-{target.Name}-{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Input))[..12]}");
        File.WriteAllBytes(path, Input);
        return path;
    }
}
