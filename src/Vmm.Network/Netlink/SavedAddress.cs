using System.Buffers.Binary;
using System.Net;
using System.Text;
using System.Text.Json.Serialization;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>An address as the kernel told it: label, broadcast, scope, flags, life times and all, so that it can be given back, to the same interface or another.</summary>
/// <param name="Body">A <c>struct ifaddrmsg</c> and its attributes.</param>
public sealed record SavedAddress(byte[] Body)
{
    private const int PrefixAt = 1, FlagsAt = 2, ScopeAt = 3, IndexAt = 4;
    private const uint Forever = uint.MaxValue;
    private const int MostLabelBytes = 15;

    // What the kernel finds out by itself.
    private const uint KernelsFlags = IFA_F_SECONDARY | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_PERMANENT | IFA_F_STABLE_PRIVACY;

    /// <summary>Whether a message can be one.</summary>
    public bool IsWhole => Body.Length >= AddressBytes && Body[0] is AF_INET or AF_INET6 && !Local.IsEmpty;

    /// <summary>The interface that has it.</summary>
    public int LinkIndex => BinaryPrimitives.ReadInt32LittleEndian(Body.AsSpan(IndexAt));

    /// <summary>True for IPv6.</summary>
    public bool IsV6 => Body[0] == AF_INET6;

    /// <summary>The address.</summary>
    [JsonIgnore]
    public IPAddress Address => new(Local);

    /// <summary>Bits of its network.</summary>
    public int PrefixLength => Body[PrefixAt];

    /// <summary>Whether the link still looks for somebody else who has it.</summary>
    public bool IsTentative => (Flags & IFA_F_TENTATIVE) != 0 && (Flags & IFA_F_DADFAILED) == 0;

    /// <summary>Made by the kernel out of another one, to be used for a while (RFC 8981). Nobody can give it back.</summary>
    public bool IsTemporary => IsV6 && (Flags & IFA_F_SECONDARY) != 0;

    /// <summary>When it ends by itself, in seconds; null for never.</summary>
    public uint? ValidSeconds
        => NetlinkBytes.Find(Attributes, IFA_CACHEINFO) is { Length: >= 2 * sizeof(uint) } info && BinaryPrimitives.ReadUInt32LittleEndian(info[sizeof(uint)..]) is not Forever and uint valid ? valid : null;

    private ReadOnlySpan<byte> Attributes => Body.AsSpan(AddressBytes);

    private ReadOnlySpan<byte> Local => NetlinkBytes.Find(Attributes, IFA_LOCAL) is { IsEmpty: false } local ? local : NetlinkBytes.Find(Attributes, IFA_ADDRESS);

    private uint Flags => NetlinkBytes.Number(Attributes, IFA_FLAGS, Body[FlagsAt]);

    /// <summary>Whether it is the same address on the same interface, under the same label.</summary>
    public bool IsSameAs(SavedAddress other)
        => LinkIndex == other.LinkIndex && Body[0] == other.Body[0] && PrefixLength == other.PrefixLength && Local.SequenceEqual(other.Local)
            && NetlinkBytes.Find(Attributes, IFA_ADDRESS).SequenceEqual(NetlinkBytes.Find(other.Attributes, IFA_ADDRESS))
            && NetlinkBytes.Find(Attributes, IFA_LABEL).SequenceEqual(NetlinkBytes.Find(other.Attributes, IFA_LABEL));

    /// <summary>The same on another interface: a label begins with the interface's name.</summary>
    public SavedAddress Moved(int fromIndex, int toIndex, string fromName, string toName)
    {
        if (LinkIndex != fromIndex) return this;
        NetlinkRequest copy = new(RTM_NEWADDR, 0, AddressBytes, Body.Length);
        Body.AsSpan(0, AddressBytes).CopyTo(copy.Body);
        BinaryPrimitives.WriteInt32LittleEndian(copy.Body[IndexAt..], toIndex);
        NetlinkAttributes walk = new(Attributes);
        while (walk.Next(out ushort type, out ReadOnlySpan<byte> value)) copy.Add(type, type == IFA_LABEL ? MoveLabel(value, fromName, toName) : value);
        return new SavedAddress(copy.Finish(0)[HeaderBytes..].ToArray());
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{PrefixLength}";

    internal NetlinkRequest ToRequest(ushort type, ushort flags)
    {
        NetlinkRequest request = new(type, (ushort)(flags | NLM_F_ACK), AddressBytes, Body.Length);
        Body.AsSpan(0, AddressBytes).CopyTo(request.Body);
        request.Body[FlagsAt] = 0;
        NetlinkAttributes walk = new(Attributes);
        while (walk.Next(out ushort attribute, out ReadOnlySpan<byte> value))
        {
            if (attribute == IFA_FLAGS) request.Add(IFA_FLAGS, Flags & ~KernelsFlags);
            else if (attribute != IFA_CACHEINFO || ValidSeconds is not null) request.Add(attribute, value);
        }

        return request;
    }

    internal byte Scope => Body[ScopeAt];

    private static byte[] MoveLabel(ReadOnlySpan<byte> label, string fromName, string toName)
    {
        string text = Encoding.ASCII.GetString(label).TrimEnd('\0');
        if (text == fromName || text.StartsWith(fromName + ":", StringComparison.Ordinal)) text = toName + text[fromName.Length..];
        return Encoding.ASCII.GetBytes((text.Length > MostLabelBytes ? toName : text) + '\0');
    }
}
