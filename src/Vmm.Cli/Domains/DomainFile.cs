using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary>A domain's configuration file with what the command line adds to it.</summary>
/// <param name="Name">The file as it was named.</param>
/// <param name="Text">What stands in it.</param>
/// <param name="Additions">Settings that win over it: <c>memory=512</c>.</param>
internal sealed record DomainFile(string Name, string Text, IReadOnlyList<string> Additions)
{
    private const string CommandLineName = "command line";

    /// <summary>Reads a file, "-" for standard input.</summary>
    /// <exception cref="DomainException">It cannot be read, or is too long for a configuration.</exception>
    public static DomainFile Read(string name, IReadOnlyList<string> additions)
    {
        try
        {
            using Stream stream = name == "-" ? Console.OpenStandardInput() : new FileStream(name, FileMode.Open, FileAccess.Read);
            return new(name, ReadText(stream, name), additions);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = e is FileNotFoundException or DirectoryNotFoundException ? "no such file" : Directory.Exists(name) ? "it is a directory" : e.Message;
            throw new DomainException($"{name}: {why}", e);
        }
    }

    /// <summary>Reads a text from a stream to its end.</summary>
    /// <exception cref="DomainException">It is too long for a configuration.</exception>
    public static string ReadText(Stream stream, string name)
    {
        using StreamReader reader = new(stream, Encoding.UTF8);
        char[] buffer = new char[XlDocument.MostCharacters + 1];
        int count = reader.ReadBlock(buffer);
        return count <= XlDocument.MostCharacters ? new string(buffer, 0, count) : throw new DomainException($"{name}: more than {XlDocument.MostCharacters} characters are no configuration");
    }

    /// <summary>The domain that it describes; null when it has mistakes.</summary>
    public DomainConfig? Build(out IReadOnlyList<XlError> errors, out IReadOnlyList<XlError> warnings)
    {
        XlDocument document = new();
        List<XlError> found = [.. document.Read(Name, Text)];
        foreach (string addition in Additions) found.AddRange(document.Read(CommandLineName, addition));
        (errors, warnings) = (found, []);
        return found.Count == 0 ? XlDomain.Build(document, Name, out errors, out warnings) : null;
    }
}
