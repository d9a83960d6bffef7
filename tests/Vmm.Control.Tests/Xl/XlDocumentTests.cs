using Vmm.Control.Xl;

namespace Vmm.Control.Tests.Xl;

public class XlDocumentTests
{
    private readonly XlDocument _document = new();

    [Theory]
    [InlineData("a = 1", "1")]
    [InlineData("a=0x1f", "31")]
    [InlineData("a = 017", "15")]
    [InlineData("a = -5", "-5")]
    [InlineData("a = True", "1")]
    [InlineData("a = False ; b = 2", "0")]
    [InlineData("a = \"x\"", "'x'")]
    [InlineData("a = 'it\\'s'", "'it's'")]
    [InlineData("a = \"\\x41\\102\\n\"", "'AB\n'")]
    [InlineData("a = 'x' # 'y'", "'x'")]
    [InlineData("a = 'x' 'y' + \"z\"", "'xyz'")]
    [InlineData("a = '''x\ny'''", "'x\ny'")]
    [InlineData("a = None", "''")]
    [InlineData("a = []", "[]")]
    [InlineData("a = [ 1,\n 'x', # one\n [2, 3,],\n]\nb = 1", "[1, 'x', [2, 3]]")]
    [InlineData("a = ( 'x' )", "'x'")]
    [InlineData("a = ( 'x', 2 )", "['x', 2]")]
    [InlineData("a = [1] + [2]", "[1, 2]")]
    [InlineData("a = 1\na = 2", "2")]
    [InlineData("a = 'x'\na += 'y'", "'xy'")]
    [InlineData("a = ['x']\na += ['y']", "['x', 'y']")]
    [InlineData("a = ['x']\na += 'y'", "['x', 'y']")]
    [InlineData("a += ['y']", "['y']")]
    [InlineData("a = \\\n 1", "1")]
    [InlineData("\r\na = 1\r\n", "1")]
    [InlineData("", null)]
    [InlineData("# a = 1", null)]
    public void Read_GoodText_GivesTheValue(string text, string? expected)
    {
        Assert.Empty(_document.Read("x.cfg", text));

        Assert.Equal(expected, _document.Find("a") is { } setting ? Show(setting.Value) : null);
    }

    [Theory]
    [InlineData("a", "x.cfg:1:2: '=' is expected behind 'a', not the end of the file")]
    [InlineData("a =", "x.cfg:1:4: a value is expected, not the end of the file")]
    [InlineData("= 1", "x.cfg:1:1: a key is expected, not '='")]
    [InlineData("a = b", "x.cfg:1:5: a value is expected, not 'b': texts stand in quotes")]
    [InlineData("b = 1\na = 1 2", "x.cfg:2:7: the end of the line is expected behind the value of 'a', not '2'")]
    [InlineData("a = 'x", "x.cfg:1:5: the text has no closing '")]
    [InlineData("a = 'x\nb = 1", "x.cfg:1:5: the text has no closing '")]
    [InlineData("a = 089", "x.cfg:1:5: '089' is no number: decimal, 0 and octal, or 0x and hexadecimal digits, within 64 bits")]
    [InlineData("a = 99999999999999999999", "x.cfg:1:5: '99999999999999999999' is no number: decimal, 0 and octal, or 0x and hexadecimal digits, within 64 bits")]
    [InlineData("a = [1\nb = 2", "x.cfg:2:1: ',' or ']' is expected in the list that begins in line 1, not 'b'")]
    [InlineData("a = [1)", "x.cfg:1:7: ']' is expected, not ')'")]
    [InlineData("a = [1; 2]\nb = 1", "x.cfg:1:7: ',' or ']' is expected in the list that begins in line 1, not the end of the line")]
    [InlineData("a = 1 + 'x'", "x.cfg:1:7: a text cannot be added to a number")]
    [InlineData("import os", "x.cfg:1:8: this is Python code; of xm's files only assignments of plain values are read")]
    [InlineData("a = os.uname()[4]", "x.cfg:1:5: a value is expected, not 'os.uname': texts stand in quotes")]
    public void Read_BadText_SaysWhereAndWhatIsExpected(string text, string expected)
        => Assert.Equal(expected, _document.Read("x.cfg", text)[0].ToString());

    [Fact]
    public void Read_SeveralMistakes_FindsAllAndKeepsTheRest()
    {
        IReadOnlyList<XlError> errors = _document.Read("x.cfg", "a = \nb = 2\nc = [1 2]\nd = 4\ne");

        Assert.Equal([1, 3, 5], errors.Select(e => e.Position.Line));
        Assert.Equal(["2", "4"], new[] { "b", "d" }.Select(k => Show(_document.Find(k)!.Value)));
    }

    [Fact]
    public void Read_SecondText_WinsOverTheFirst()
    {
        _document.Read("x.cfg", "memory = 512\nname = 'a'");
        _document.Read("command line", "memory = 1024; vcpus=2");

        Assert.Equal(["1024", "'a'", "2"], new[] { "memory", "name", "vcpus" }.Select(k => Show(_document.Find(k)!.Value)));
        Assert.Equal("command line", _document.Find("memory")!.File);
    }

    [Theory]
    [InlineData(100_000, "[")]
    [InlineData(100_000, "(")]
    [InlineData(100_000, "a = ")]
    [InlineData(100_000, "\"\"")]
    [InlineData(50_000, "a=[\n")]
    [InlineData(300_000, "x")]
    public void Read_HostileText_EndsWithFewErrors(int count, string piece)
        => Assert.InRange(_document.Read("x.cfg", string.Concat(Enumerable.Repeat(piece, count))).Count, 1, 25);

    [Fact]
    public void Read_RandomBytes_NeverThrows()
    {
        const string Alphabet = "ab=+[](),;'\"\\\n\t#019x -.";
        Random random = new(7);
        for (int i = 0; i < 20_000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => Alphabet[random.Next(Alphabet.Length)]));
            foreach (XlError error in new XlDocument().Read("x.cfg", text)) Assert.InRange(error.Position.Line, 1, 41);
        }
    }

    private static string Show(XlValue value) => value switch
    {
        XlText text => $"'{text.Value}'",
        XlNumber number => $"{number.Value}",
        XlList list => $"[{string.Join(", ", list.Items.Select(Show))}]",
        _ => "?",
    };
}
