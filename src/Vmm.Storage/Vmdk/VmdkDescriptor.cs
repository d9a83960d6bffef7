using System.Globalization;
using System.Text;

namespace Vmm.Storage.Vmdk;

/// <summary>The text that says what an image is made of (VMDK specification 5.0, "The Descriptor").</summary>
internal sealed class VmdkDescriptor
{
    /// <summary>The CID of who has no parent.</summary>
    public const uint NoParent = uint.MaxValue;

    private const string Signature = "# Disk DescriptorFile";
    private const int MostExtents = 4096;

    private readonly IImageFile _file;
    private readonly ulong _offset;
    private readonly ulong _room;
    private string _text;

    private VmdkDescriptor(IImageFile file, ulong offset, ulong room, string text)
    {
        _file = file;
        _offset = offset;
        _room = room;
        _text = text;
        Extents = [];
    }

    public string CreateType { get; private set; } = "";

    /// <summary>Changes with the content, so that a child knows its parent again.</summary>
    public uint Cid { get; private set; }

    public uint ParentCid { get; private set; } = NoParent;

    public string? ParentHint { get; private set; }

    public List<VmdkExtent> Extents { get; }

    /// <summary>Whether a file is a descriptor alone.</summary>
    public static bool IsDescriptor(IImageFile file)
    {
        Span<byte> start = stackalloc byte[Signature.Length];
        file.Read(0, start);
        return start.SequenceEqual(Encoding.ASCII.GetBytes(Signature));
    }

    /// <summary>Reads a descriptor.</summary>
    /// <param name="file">Where it stands.</param>
    /// <param name="offset">Its first byte.</param>
    /// <param name="room">Bytes that it may have, a few sectors.</param>
    public static VmdkDescriptor Read(IImageFile file, ulong offset, ulong room)
    {
        byte[] bytes = new byte[room];
        file.Read(offset, bytes);
        int end = bytes.AsSpan().IndexOf((byte)0);
        VmdkDescriptor descriptor = new(file, offset, room, Encoding.Latin1.GetString(bytes, 0, end < 0 ? bytes.Length : end));
        foreach (string line in descriptor._text.Split('\n')) descriptor.Take(line.Trim());
        return descriptor;
    }

    /// <summary>The text of a new image in one file.</summary>
    public static string Create(uint cid, string createType, ulong sectors, string fileName, uint parentCid, string? parentHint)
    {
        const ulong Heads = 255;
        const ulong SectorsPerTrack = 63;
        string hint = parentHint is null ? "" : $"parentFileNameHint=\"{Utf8AsLatin1(parentHint)}\"\n";
        return string.Create(CultureInfo.InvariantCulture, $"""
            {Signature}
            version=1
            CID={cid:x8}
            parentCID={parentCid:x8}
            createType="{createType}"
            {hint}
            # Extent description
            RW {sectors} SPARSE "{Utf8AsLatin1(fileName)}"

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "{sectors / (Heads * SectorsPerTrack)}"
            ddb.geometry.heads = "{Heads}"
            ddb.geometry.sectors = "{SectorsPerTrack}"
            ddb.adapterType = "lsilogic"

            """);
    }

    /// <summary>Says in the file that the content is another now.</summary>
    public void ChangeCid()
    {
        const string Key = "\nCID=";
        const int MostDigits = 8;
        int at = _text.IndexOf(Key, StringComparison.Ordinal);
        int digits = at < 0 ? -1 : _text.AsSpan(at + Key.Length).IndexOfAny('\r', '\n');
        if (digits is < 1 or > MostDigits) return;

        // As many digits as there are, so that nothing behind them moves: who wrote them may have left zeros out.
        uint most = uint.MaxValue >> (4 * (MostDigits - digits));
        // Another one, and never the one of no parent.
        Cid = (uint)(((ulong)Cid + 1 + (ulong)Random.Shared.NextInt64(most - 1)) % most);
        _text = string.Concat(_text.AsSpan(0, at + Key.Length), Cid.ToString($"x{digits}", CultureInfo.InvariantCulture), _text.AsSpan(at + Key.Length + digits));
        byte[] bytes = Encoding.Latin1.GetBytes(_text);
        _file.Write(_offset, bytes.AsSpan(0, (int)Math.Min((ulong)bytes.Length, _room)));
    }

    /// <summary>Whether <see cref="Resize"/> can say a size: there is one extent, and room for the text.</summary>
    public bool CanResize(ulong sectors) => Resized(sectors) is { } text && (ulong)text.Length <= _room;

    /// <summary>Says in the file that its one extent has another size.</summary>
    public void Resize(ulong sectors)
    {
        _text = Resized(sectors) ?? _text;
        Extents[0] = Extents[0] with { Sectors = sectors };
        // A shorter text leaves nothing of the longer one behind it.
        byte[] bytes = new byte[_room];
        Encoding.Latin1.GetBytes(_text.AsSpan(0, (int)Math.Min((ulong)_text.Length, _room)), bytes);
        _file.Write(_offset, bytes);
    }

    internal static string Utf8AsLatin1(string name) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(name));

    private static string Latin1AsUtf8(string name) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(name));

    private string? Resized(ulong sectors)
    {
        if (Extents is not [{ } extent]) return null;
        string old = string.Create(CultureInfo.InvariantCulture, $"{extent.Access} {extent.Sectors} {extent.Kind}");
        int at = _text.IndexOf($"\n{old}", StringComparison.Ordinal) + 1;
        return at == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{_text.AsSpan(0, at)}{extent.Access} {sectors} {extent.Kind}{_text.AsSpan(at + old.Length)}");
    }

    private void Take(string line)
    {
        if (line.Length == 0 || line[0] == '#') return;
        if (line.StartsWith("RW ", StringComparison.Ordinal) || line.StartsWith("RDONLY ", StringComparison.Ordinal) || line.StartsWith("NOACCESS ", StringComparison.Ordinal))
        {
            if (Extents.Count == MostExtents) throw new ImageException($"{_file.Name} has more than {MostExtents} extents");
            Extents.Add(VmdkExtent.Parse(Latin1AsUtf8(line)) ?? throw new ImageException($"{_file.Name}: '{line}' is no extent"));
            return;
        }

        int equals = line.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0) return;
        string value = line[(equals + 1)..].Trim().Trim('"');
        switch (line[..equals].Trim())
        {
            case "CID": Cid = Number(value); break;
            case "parentCID": ParentCid = Number(value); break;
            case "createType": CreateType = value; break;
            case "parentFileNameHint": ParentHint = Latin1AsUtf8(value); break;
        }
    }

    private uint Number(string value)
        => uint.TryParse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint number) ? number
            : throw new ImageException($"{_file.Name}: '{value}' is no content ID");
}
