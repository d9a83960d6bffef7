using System.Globalization;
using System.Text;

namespace Vmm.Control.Xl;

/// <summary>Cuts a configuration file into tokens. Inside brackets a line's end means nothing, as in Python and in xl.</summary>
internal sealed class XlLexer(string file, string source, List<XlError> errors)
{
    private const int OctalBase = 8, HexBase = 16, MostOctalDigits = 3, HexDigits = 2;

    private int _at;
    private int _line = 1;
    private int _lineStart;
    private int _depth;

    /// <summary>The character behind the last token.</summary>
    public int Offset => _at;

    private XlPosition Here => new(_line, _at - _lineStart + 1, file);

    private char Current => Peek(0);

    /// <summary>The next token; <see cref="XlTokenKind.End"/> again and again at the end.</summary>
    public XlToken Next()
    {
        SkipBlanks();
        int offset = _at;
        return Scan() with { Offset = offset };
    }

    private XlToken Scan()
    {
        XlPosition start = Here;
        if (_at >= source.Length) return new(XlTokenKind.End, start, "");
        char c = Current;
        if (char.IsAsciiLetter(c) || c == '_') return Name(start);
        if (char.IsAsciiDigit(c) || (c == '-' && char.IsAsciiDigit(Peek(1)))) return Number(start);
        if (c is '"' or '\'') return Text(start);
        if (c == '+' && Peek(1) == '=') return Symbol(XlTokenKind.Append, start, 2);
        switch (c)
        {
            case '\n':
                XlToken end = Symbol(XlTokenKind.Separator, start, 1);
                NewLine();
                return end;
            case ';':
                return Symbol(XlTokenKind.Separator, start, 1);
            case '[' or '(':
                _depth++;
                return Symbol(XlTokenKind.OpenList, start, 1);
            case ']' or ')':
                _depth = Math.Max(0, _depth - 1);
                return Symbol(XlTokenKind.CloseList, start, 1);
            default:
                return Symbol(c switch { '=' => XlTokenKind.Assign, '+' => XlTokenKind.Plus, ',' => XlTokenKind.Comma, _ => XlTokenKind.Other }, start, 1);
        }
    }

    /// <summary>Goes on behind this line, out of all brackets: after a mistake.</summary>
    public void SkipLine()
    {
        while (_at < source.Length && Current != '\n') _at++;
        _depth = 0;
    }

    /// <summary>Lets lines' ends count again.</summary>
    public void LeaveLists() => _depth = 0;

    private char Peek(int ahead) => _at + ahead < source.Length ? source[_at + ahead] : '\0';

    private void NewLine()
    {
        _line++;
        _lineStart = _at;
    }

    private void SkipBlanks()
    {
        while (_at < source.Length)
        {
            if (Current == '#')
            {
                while (_at < source.Length && Current != '\n') _at++;
            }
            else if (Current == '\n' && _depth != 0)
            {
                _at++;
                NewLine();
            }
            else if (Current == '\\' && Peek(1) == '\n')
            {
                _at += 2;
                NewLine();
            }
            else if (Current is ' ' or '\t' or '\r')
            {
                _at++;
            }
            else
            {
                return;
            }
        }
    }

    private XlToken Symbol(XlTokenKind kind, XlPosition start, int length)
    {
        string text = source.Substring(_at, length);
        _at += length;
        return new(kind, start, text);
    }

    private XlToken Name(XlPosition start)
    {
        int first = _at;
        while (char.IsAsciiLetterOrDigit(Current) || Current is '_' or '.') _at++;
        return new(XlTokenKind.Name, start, source[first.._at]);
    }

    private XlToken Number(XlPosition start)
    {
        int first = _at++;
        while (char.IsAsciiLetterOrDigit(Current)) _at++;
        string text = source[first.._at];
        if (TryNumber(text, out long value)) return new(XlTokenKind.Number, start, text, value);
        errors.Add(new(file, start, $"'{text}' is no number: decimal, 0 and octal, or 0x and hexadecimal digits, within 64 bits"));
        return new(XlTokenKind.Number, start, text);
    }

    private static bool TryNumber(string text, out long value)
    {
        bool isNegative = text[0] == '-';
        ReadOnlySpan<char> digits = text.AsSpan(isNegative ? 1 : 0);
        bool isGood;
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)) isGood = long.TryParse(digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
        else if (digits.Length > 1 && digits[0] == '0') isGood = TryOctal(digits, out value);
        else isGood = long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        if (isNegative) value = -value;
        return isGood;
    }

    private static bool TryOctal(ReadOnlySpan<char> digits, out long value)
    {
        value = 0;
        foreach (char digit in digits)
        {
            if (digit is < '0' or > '7' || value > long.MaxValue / OctalBase) return false;
            value = (value * OctalBase) + (digit - '0');
        }

        return true;
    }

    private XlToken Text(XlPosition start)
    {
        char quote = Current;
        bool isLong = Peek(1) == quote && Peek(2) == quote;
        _at += isLong ? 3 : 1;
        StringBuilder text = new();
        while (true)
        {
            if (_at >= source.Length || (Current == '\n' && !isLong))
            {
                errors.Add(new(file, start, $"the text has no closing {(isLong ? new string(quote, 3) : quote)}"));
                break;
            }

            if (Current == quote && (!isLong || (Peek(1) == quote && Peek(2) == quote)))
            {
                _at += isLong ? 3 : 1;
                break;
            }

            if (Current == '\\')
            {
                Escape(text);
                continue;
            }

            text.Append(Current);
            bool isLineEnd = source[_at++] == '\n';
            if (isLineEnd) NewLine();
        }

        return new(XlTokenKind.Text, start, text.ToString());
    }

    private void Escape(StringBuilder text)
    {
        _at++;
        if (_at >= source.Length) return;
        char c = source[_at++];
        switch (c)
        {
            case '\n':
                NewLine();
                break;
            case 'x' when char.IsAsciiHexDigit(Current) && char.IsAsciiHexDigit(Peek(1)):
                text.Append((char)Convert.ToInt32(source.Substring(_at, HexDigits), HexBase));
                _at += HexDigits;
                break;
            case >= '0' and <= '7':
                int value = c - '0';
                for (int i = 1; i < MostOctalDigits && Current is >= '0' and <= '7'; i++) value = (value * OctalBase) + (source[_at++] - '0');
                text.Append((char)value);
                break;
            default:
                text.Append(c switch { 'a' => '\a', 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', 'v' => '\v', _ => c });
                break;
        }
    }
}
