using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Vmm.Firmware.Acpi;

/// <summary>
/// Writes ACPI machine language (ACPI 6.5 §20.2). Each method appends one object and returns the writer; containers take a callback that
/// writes their content. Names are given as in ASL: up to four characters a segment, "\" for the root, "^" for a parent, "." between.
/// Wrong names and values are the program's mistakes and throw <see cref="ArgumentException"/>.
/// </summary>
public sealed partial class Aml
{
    private const byte ZeroOp = 0x00;
    private const byte OneOp = 0x01;
    private const byte NameOp = 0x08;
    private const byte BytePrefix = 0x0a;
    private const byte WordPrefix = 0x0b;
    private const byte DWordPrefix = 0x0c;
    private const byte StringPrefix = 0x0d;
    private const byte QWordPrefix = 0x0e;
    private const byte ScopeOp = 0x10;
    private const byte BufferOp = 0x11;
    private const byte PackageOp = 0x12;
    private const byte MethodOp = 0x14;
    private const byte DualNamePrefix = 0x2e;
    private const byte MultiNamePrefix = 0x2f;
    private const byte ExtOpPrefix = 0x5b;
    private const byte DeviceOp = 0x82;
    private const byte ReturnOp = 0xa4;
    private const int MethodSerialized = 1 << 3;
    private const int MaxMethodArguments = 7;

    private static readonly SearchValues<char> UpperHexDigits = SearchValues.Create("0123456789ABCDEF");

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>What was written so far.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    /// <summary>Opens a scope that exists.</summary>
    public Aml Scope(string path, Action<Aml> body) => Container(ScopeOp, inner => inner.NameString(path), body);

    /// <summary>Defines a device.</summary>
    public Aml Device(string path, Action<Aml> body)
    {
        Byte(ExtOpPrefix);
        return Container(DeviceOp, inner => inner.NameString(path), body);
    }

    /// <summary>Defines a control method.</summary>
    public Aml Method(string path, int arguments, bool isSerialized, Action<Aml> body)
    {
        if (arguments is < 0 or > MaxMethodArguments) throw new ArgumentOutOfRangeException(nameof(arguments), arguments, "a method takes 0 to 7 arguments");
        return Container(MethodOp, inner => inner.NameString(path).Byte((byte)(arguments | (isSerialized ? MethodSerialized : 0))), body);
    }

    /// <summary>Defines a named object; the callback writes its one value.</summary>
    public Aml Name(string path, Action<Aml> value)
    {
        Byte(NameOp).NameString(path);
        value(this);
        return this;
    }

    /// <summary>Defines a named integer.</summary>
    public Aml Name(string path, ulong value) => Name(path, inner => inner.Integer(value));

    /// <summary>Defines _HID: an EISA id where the text is one ("PNP0501"), a string else ("ACPI0007").</summary>
    public Aml HardwareId(string id) => Name("_HID", inner => inner.Id(id));

    /// <summary>Defines _CRS.</summary>
    public Aml CurrentResources(Action<ResourceTemplate> resources) => Name("_CRS", inner => inner.Resources(resources));

    /// <summary>Returns from a method; the callback writes the one value.</summary>
    public Aml Return(Action<Aml> value)
    {
        Byte(ReturnOp);
        value(this);
        return this;
    }

    /// <summary>An integer in its shortest form.</summary>
    public Aml Integer(ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return value switch
        {
            0 => Byte(ZeroOp),
            1 => Byte(OneOp),
            <= byte.MaxValue => Byte(BytePrefix).Raw(bytes[..1]),
            <= ushort.MaxValue => Byte(WordPrefix).Raw(bytes[..2]),
            <= uint.MaxValue => Byte(DWordPrefix).Raw(bytes[..4]),
            _ => Byte(QWordPrefix).Raw(bytes),
        };
    }

    /// <summary>A string of ASCII characters.</summary>
    public Aml String(string text)
    {
        if (!Ascii.IsValid(text) || text.Contains('\0', StringComparison.Ordinal)) throw new ArgumentException("AML strings are ASCII", nameof(text));
        return Byte(StringPrefix).Raw(Encoding.ASCII.GetBytes(text)).Byte(0);
    }

    /// <summary>A package; each callback writes one element.</summary>
    public Aml Package(params ReadOnlySpan<Action<Aml>> elements)
    {
        if (elements.Length > byte.MaxValue) throw new ArgumentException("a package holds at most 255 elements", nameof(elements));
        Aml content = new();
        content.Byte((byte)elements.Length);
        foreach (Action<Aml> element in elements) element(content);
        return Byte(PackageOp).Sized(content.Bytes);
    }

    /// <summary>A package of integers.</summary>
    public Aml Package(params ReadOnlySpan<ulong> integers)
    {
        if (integers.Length > byte.MaxValue) throw new ArgumentException("a package holds at most 255 elements", nameof(integers));
        Aml content = new();
        content.Byte((byte)integers.Length);
        foreach (ulong integer in integers) content.Integer(integer);
        return Byte(PackageOp).Sized(content.Bytes);
    }

    /// <summary>A buffer with its content.</summary>
    public Aml Buffer(ReadOnlySpan<byte> bytes) => Byte(BufferOp).Sized(new Aml().Integer((ulong)bytes.Length).Raw(bytes).Bytes);

    /// <summary>A resource template: a buffer of descriptors.</summary>
    public Aml Resources(Action<ResourceTemplate> resources)
    {
        ResourceTemplate template = new();
        resources(template);
        return Buffer(template.Close());
    }

    /// <summary>A device id: an EISA id as an integer where the text has that form, a string else (ACPI 6.5 §6.1.5).</summary>
    public Aml Id(string id)
    {
        bool isEisa = id.Length == 7 && id.AsSpan(0, 3).IndexOfAnyExceptInRange('A', 'Z') < 0 && id.AsSpan(3).IndexOfAnyExcept(UpperHexDigits) < 0;
        if (!isEisa) return String(id);
        const int LetterBase = '@';
        int maker = ((id[0] - LetterBase) << 10) | ((id[1] - LetterBase) << 5) | (id[2] - LetterBase);
        ushort product = ushort.Parse(id.AsSpan(3), System.Globalization.NumberStyles.AllowHexSpecifier, null);
        // The EISA form is big-endian: two bytes of maker, two of product.
        return Byte(DWordPrefix).Raw([(byte)(maker >> 8), (byte)maker, (byte)(product >> 8), (byte)product]);
    }

    private Aml Container(byte op, Action<Aml> head, Action<Aml> body)
    {
        Aml content = new();
        head(content);
        body(content);
        return Byte(op).Sized(content.Bytes);
    }

    /// <summary>PkgLength (§20.2.4), which counts itself, and the content.</summary>
    private Aml Sized(ReadOnlySpan<byte> content)
    {
        const int OneByteMax = 63;
        const int LowBits = 4;
        int length = content.Length + 1;
        if (length <= OneByteMax) return Byte((byte)length).Raw(content);
        for (int follow = 1; follow <= 3; follow++)
        {
            length = content.Length + 1 + follow;
            if (length >> (LowBits + (8 * follow)) != 0) continue;
            Byte((byte)((follow << 6) | (length & 0xf)));
            for (int i = 0; i < follow; i++) Byte((byte)(length >> (LowBits + (8 * i))));
            return Raw(content);
        }

        throw new ArgumentException("an AML package is longer than 256 MiB", nameof(content));
    }

    private Aml NameString(string path)
    {
        int prefix = path.TakeWhile(c => c is '\\' or '^').Count();
        if (path.LastIndexOf('\\') > 0) throw new ArgumentException($"'{path}' is not an AML name", nameof(path));
        foreach (char c in path.AsSpan(0, prefix)) Byte((byte)c);
        if (prefix == path.Length) return Byte(0);

        string[] segments = path[prefix..].Split('.');
        if (segments.Length > byte.MaxValue) throw new ArgumentException("an AML name has at most 255 segments", nameof(path));
        if (segments.Length == 2) Byte(DualNamePrefix);
        if (segments.Length > 2) Byte(MultiNamePrefix).Byte((byte)segments.Length);
        foreach (string segment in segments) Segment(segment);
        return this;
    }

    private void Segment(string segment)
    {
        const int SegmentBytes = 4;
        bool isGood = segment.Length is > 0 and <= SegmentBytes && !char.IsAsciiDigit(segment[0])
            && segment.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_');
        if (!isGood) throw new ArgumentException($"'{segment}' is not an AML name segment", nameof(segment));
        foreach (char c in segment.PadRight(SegmentBytes, '_')) Byte((byte)c);
    }

    private Aml Byte(byte value) => Raw([value]);

    private Aml Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        return this;
    }
}
