using System.Collections.Immutable;
using System.Text;

namespace Vmm.Control.Xl;

/// <summary>
/// Reads a configuration file: xl's grammar (<c>key = value</c>, <c>key += value</c>, separated by lines or semicolons) and the literal
/// part of the Python in which xm's files were written (texts put together with '+', tuples, True, False, None). After a mistake it
/// goes on with the next line, so that all of them are found.
/// </summary>
internal sealed class XlParser
{
    private const int MostErrors = 20;
    private const int DeepestList = 16;

    // Each one copies what was there before.
    private const int MostAdditions = 1000;

    private readonly string _file;
    private readonly List<XlError> _errors = [];
    private readonly XlLexer _lexer;
    private readonly Dictionary<string, XlSetting> _settings;
    private readonly List<XlSpan>? _spans;
    private XlToken _token;
    private int _additions;
    private int _behind;

    private XlParser(string file, string source, Dictionary<string, XlSetting> settings, List<XlSpan>? spans)
    {
        (_file, _settings, _spans) = (file, settings, spans);
        _lexer = new XlLexer(file, source, _errors);
        _token = _lexer.Next();
    }

    /// <summary>Reads a text into the settings that are there already: a later one wins.</summary>
    /// <param name="file">The text's name.</param>
    /// <param name="source">The text.</param>
    /// <param name="settings">What was there.</param>
    /// <param name="spans">Takes where each setting stands; null where nobody wants to know.</param>
    /// <returns>The mistakes, at most a screenful.</returns>
    public static IReadOnlyList<XlError> Parse(string file, string source, Dictionary<string, XlSetting> settings, List<XlSpan>? spans = null)
    {
        XlParser parser = new(file, source, settings, spans);
        while (parser._token.Kind != XlTokenKind.End && parser._errors.Count < MostErrors) parser.Statement();
        return parser._errors;
    }

    private void Statement()
    {
        if (_token.Kind == XlTokenKind.Separator)
        {
            Advance();
            return;
        }

        XlToken key = _token;
        if (key.Kind != XlTokenKind.Name)
        {
            Fail($"a key is expected, not {key}");
            return;
        }

        Advance();
        XlTokenKind operation = _token.Kind;
        if (operation is not (XlTokenKind.Assign or XlTokenKind.Append))
        {
            bool isCode = key.Text is "import" or "from" or "if" or "for" or "def" or "while" or "else" or "elif" or "try" or "print";
            Fail(isCode ? "this is Python code; of xm's files only assignments of plain values are read" : $"'=' is expected behind '{key.Text}', not {_token}");
            return;
        }

        Advance();
        if (Value(0) is not { } value) return;
        if (_token.Kind is not (XlTokenKind.Separator or XlTokenKind.End))
        {
            Fail($"the end of the line is expected behind the value of '{key.Text}', not {_token}");
            return;
        }

        _spans?.Add(new(key.Text, key.Offset, _behind));
        Store(key, value, isAddition: operation == XlTokenKind.Append);
    }

    private XlValue? Value(int depth)
    {
        XlValue? value = Atom(depth);
        while (value is not null && _token.Kind == XlTokenKind.Plus)
        {
            XlPosition at = _token.Position;
            Advance();
            if (Atom(depth) is not { } next) return null;
            value = Add(value, next, at);
        }

        return value;
    }

    private XlValue? Atom(int depth)
    {
        XlToken token = _token;
        switch (token.Kind)
        {
            case XlTokenKind.Number:
                Advance();
                return new XlNumber(token.Number, token.Position);
            case XlTokenKind.Text:
                Advance();
                // Texts side by side are one, as in Python.
                return new XlText(Joined(token.Text), token.Position);
            case XlTokenKind.OpenList when depth == DeepestList:
                return Fail($"lists stand more than {DeepestList} deep in each other");
            case XlTokenKind.OpenList:
                return List(token, depth);
            case XlTokenKind.Name when token.Text is "True" or "False":
                Advance();
                return new XlNumber(token.Text == "True" ? 1 : 0, token.Position);
            case XlTokenKind.Name when token.Text == "None":
                Advance();
                return new XlText("", token.Position);
            case XlTokenKind.Name:
                return Fail($"a value is expected, not '{token.Text}': texts stand in quotes");
            default:
                return Fail($"a value is expected, not {token}");
        }
    }

    private string Joined(string first)
    {
        if (_token.Kind != XlTokenKind.Text) return first;
        StringBuilder text = new(first);
        for (; _token.Kind == XlTokenKind.Text; Advance()) text.Append(_token.Text);
        return text.ToString();
    }

    private XlValue? List(XlToken open, int depth)
    {
        string close = open.Text == "[" ? "]" : ")";
        ImmutableArray<XlValue>.Builder items = ImmutableArray.CreateBuilder<XlValue>();
        bool hasComma = false;
        Advance();
        while (_token.Kind != XlTokenKind.CloseList)
        {
            if (Value(depth + 1) is not { } item) return null;
            items.Add(item);
            if (_token.Kind == XlTokenKind.CloseList) break;
            if (_token.Kind != XlTokenKind.Comma) return Fail($"',' or '{close}' is expected in the list that begins in line {open.Position.Line}, not {_token}");
            hasComma = true;
            Advance();
        }

        if (_token.Text != close) return Fail($"'{close}' is expected, not {_token}");
        Advance();
        // In Python round brackets without a comma only group.
        return open.Text == "(" && !hasComma && items.Count == 1 ? items[0] : new XlList(items.ToImmutable(), open.Position);
    }

    private void Store(XlToken key, XlValue value, bool isAddition)
    {
        if (isAddition && _settings.TryGetValue(key.Text, out XlSetting? before)) value = Add(before.Value, value, key.Position);
        _settings[key.Text] = new XlSetting(key.Text, value, _file, key.Position);
    }

    private XlValue Add(XlValue left, XlValue right, XlPosition at)
    {
        if (++_additions > MostAdditions)
        {
            if (_additions == MostAdditions + 1) _errors.Add(new(_file, at, $"more than {MostAdditions} additions are no configuration"));
            return left;
        }

        switch (left, right)
        {
            case (XlText a, XlText b):
                return a with { Value = a.Value + b.Value };
            case (XlNumber a, XlNumber b):
                return a with { Value = unchecked(a.Value + b.Value) };
            case (XlList a, XlList b):
                return a with { Items = a.Items.AddRange(b.Items) };
            case (XlList a, _):
                return a with { Items = a.Items.Add(right) };
            default:
                _errors.Add(new(_file, at, $"{right.Kind} cannot be added to {left.Kind}"));
                return left;
        }
    }

    private XlValue? Fail(string why)
    {
        _errors.Add(new(_file, _token.Position, why));
        if (_token.Kind is XlTokenKind.Separator or XlTokenKind.End)
        {
            _lexer.LeaveLists();
            return null;
        }

        _lexer.SkipLine();
        Advance();
        return null;
    }

    private void Advance()
    {
        _behind = _lexer.Offset;
        _token = _lexer.Next();
    }
}
