namespace Vmm.Core.Text;

/// <summary>A word that is one of several.</summary>
public static class WordChoice
{
    /// <summary>Finds it.</summary>
    /// <param name="text">The word.</param>
    /// <param name="choices">The words that there are, with what they stand for; the first is the value where it is none of them.</param>
    /// <param name="value">What it stands for.</param>
    /// <returns>What is wrong; null when it is one of them.</returns>
    public static string? Find<T>(string text, ReadOnlySpan<(string Name, T Value)> choices, out T value)
    {
        List<string> names = [];
        foreach ((string name, T one) in choices)
        {
            value = one;
            if (name == text) return null;
            names.Add(name);
        }

        value = choices[0].Value;
        return $"'{text}' is none of {string.Join(", ", names)}";
    }
}
