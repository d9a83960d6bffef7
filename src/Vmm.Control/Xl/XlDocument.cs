namespace Vmm.Control.Xl;

/// <summary>The settings of a configuration: of a file and of what the command line adds to it.</summary>
public sealed class XlDocument
{
    /// <summary>Longer texts are no configuration.</summary>
    public const int MostCharacters = 256 << 10;

    private readonly Dictionary<string, XlSetting> _settings = new(StringComparer.Ordinal);

    /// <summary>All settings, in no order.</summary>
    public IReadOnlyCollection<XlSetting> Settings => _settings.Values;

    /// <summary>Reads a text. What it sets wins over what was there.</summary>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="source">The text.</param>
    /// <returns>The mistakes; empty when all of it was understood.</returns>
    public IReadOnlyList<XlError> Read(string file, string source)
    {
        if (source.Length > MostCharacters) return [new(file, new(1, 1), $"{source.Length} characters are more than a configuration has ({MostCharacters})")];
        return XlParser.Parse(file, source, _settings);
    }

    /// <summary>The setting of a key; null where there is none.</summary>
    public XlSetting? Find(string key) => _settings.GetValueOrDefault(key);
}
