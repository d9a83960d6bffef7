using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Net;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>The host's interfaces, addresses and routes, in the network namespace of this process (rtnetlink(7)). One thread at a time.</summary>
public sealed partial class RouteNetlink : IDisposable
{
    // A dump's messages come in pieces of at most 32 KiB.
    private const int BufferBytes = 64 << 10;

    private const int HardwareAt = 2, IndexAt = 4, FlagsAt = 8, ChangeAt = 12;
    private const int ErrorBytes = 4;

    private readonly NetlinkSocket _socket = new();
    private readonly byte[] _buffer = new byte[BufferBytes];
    private uint _sequence;
    private bool _isTorn;

    private delegate void Reader(ReadOnlySpan<byte> body);

    /// <summary>All interfaces.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public IReadOnlyList<LinkInfo> Links()
    {
        List<LinkInfo> links = [];
        Dump(new NetlinkRequest(RTM_GETLINK, NLM_F_DUMP, LinkBytes), RTM_NEWLINK, "listing interfaces", body => links.Add(ReadLink(body)));
        return links;
    }

    /// <summary>The interface of a name; null when there is none.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public LinkInfo? FindLink(string name)
    {
        LinkInfo? found = null;
        try
        {
            NetlinkRequest request = new NetlinkRequest(RTM_GETLINK, NLM_F_ACK, LinkBytes).Add(IFLA_IFNAME, name);
            Exchange(request, RTM_NEWLINK, $"looking for the interface {name}", body => found = ReadLink(body));
        }
        catch (LinuxException e) when (e.Error == ENODEV)
        {
            return null;
        }

        return found;
    }

    /// <summary>Makes an interface: "bridge", "dummy" and the like.</summary>
    /// <returns>Its number.</returns>
    /// <exception cref="LinuxException">The kernel refused; <see cref="LinuxException.Error"/> is EEXIST (17) when the name is taken.</exception>
    public int CreateLink(string name, string kind)
    {
        NetlinkRequest request = new NetlinkRequest(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, LinkBytes)
            .Add(IFLA_IFNAME, name)
            .AddNested(IFLA_LINKINFO, info => info.Add(IFLA_INFO_KIND, kind));
        Execute(request, $"making the {kind} {name}");
        return Created(name);
    }

    /// <summary>Makes a bridge that forwards at once and takes no part in the spanning tree protocol.</summary>
    /// <returns>Its number.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public int CreateBridge(string name, MacAddress mac, int mtu)
    {
        byte[] address = new byte[MacAddress.SizeBytes];
        mac.Write(address);
        NetlinkRequest request = new NetlinkRequest(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, LinkBytes)
            .Add(IFLA_IFNAME, name)
            .Add(IFLA_ADDRESS, address)
            .Add(IFLA_MTU, (uint)mtu - 1)
            .AddNested(IFLA_LINKINFO, info => info.Add(IFLA_INFO_KIND, "bridge")
                .AddNested(IFLA_INFO_DATA, data => data.Add(IFLA_BR_FORWARD_DELAY, 0u).Add(IFLA_BR_STP_STATE, 0u)));
        Execute(request, $"making the bridge {name}");
        LinkInfo made = FindLink(name) ?? throw new LinuxException($"the interface {name} is gone again");
        // Only one that was changed stays: else the bridge takes the smallest of its ports'.
        ChangeLink(made, new LinkChange { Mtu = mtu });
        return made.Index;
    }

    /// <summary>Makes a pair of interfaces of which one sends what the other receives.</summary>
    /// <returns>The number of the first.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public int CreateVethPair(string name, string peer)
    {
        NetlinkRequest request = new NetlinkRequest(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, LinkBytes)
            .Add(IFLA_IFNAME, name)
            .AddNested(IFLA_LINKINFO, info => info.Add(IFLA_INFO_KIND, "veth")
                .AddNested(IFLA_INFO_DATA, data => data.AddNested(VETH_INFO_PEER, end => end.Add(IFLA_IFNAME, peer), LinkBytes)));
        Execute(request, $"making the veth pair {name} and {peer}");
        return Created(name);
    }

    /// <summary>Changes an interface.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void ChangeLink(LinkInfo link, LinkChange change)
    {
        NetlinkRequest request = new(RTM_NEWLINK, NLM_F_ACK, LinkBytes);
        BinaryPrimitives.WriteInt32LittleEndian(request.Body[IndexAt..], link.Index);
        uint set = (change.IsUp is true ? IFF_UP : 0) | (change.HasArp is false ? IFF_NOARP : 0);
        uint mask = (change.IsUp is null ? 0 : IFF_UP) | (change.HasArp is null ? 0 : IFF_NOARP);
        BinaryPrimitives.WriteUInt32LittleEndian(request.Body[FlagsAt..], set);
        BinaryPrimitives.WriteUInt32LittleEndian(request.Body[ChangeAt..], mask);
        if (change.Name is { } name) request.Add(IFLA_IFNAME, name);
        if (change.Mtu is { } mtu) request.Add(IFLA_MTU, (uint)mtu);
        if (change.MasterIndex is { } master) request.Add(IFLA_MASTER, (uint)master);
        if (change.Mac is { } mac)
        {
            byte[] bytes = new byte[MacAddress.SizeBytes];
            mac.Write(bytes);
            request.Add(IFLA_ADDRESS, bytes);
        }

        Execute(request, $"changing the interface {link.Name}");
    }

    /// <summary>Removes an interface.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void DeleteLink(LinkInfo link)
    {
        NetlinkRequest request = new(RTM_DELLINK, NLM_F_ACK, LinkBytes);
        BinaryPrimitives.WriteInt32LittleEndian(request.Body[IndexAt..], link.Index);
        Execute(request, $"removing the interface {link.Name}");
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private int Created(string name) => FindLink(name)?.Index ?? throw new LinuxException($"the interface {name} is gone again");

    private static LinkInfo ReadLink(ReadOnlySpan<byte> body)
    {
        int index = BinaryPrimitives.ReadInt32LittleEndian(body[IndexAt..]);
        int hardware = BinaryPrimitives.ReadUInt16LittleEndian(body[HardwareAt..]);
        LinkFlags flags = (LinkFlags)BinaryPrimitives.ReadUInt32LittleEndian(body[FlagsAt..]);
        (string name, string kind, MacAddress mac, int mtu, int master) = ("", "", default(MacAddress), 0, 0);
        NetlinkAttributes attributes = new(body[LinkBytes..]);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == IFLA_IFNAME) name = Text(value);
            else if (type == IFLA_ADDRESS && value.Length == MacAddress.SizeBytes) mac = MacAddress.Read(value);
            else if (type == IFLA_MTU) mtu = BinaryPrimitives.ReadInt32LittleEndian(value);
            else if (type == IFLA_MASTER) master = BinaryPrimitives.ReadInt32LittleEndian(value);
            else if (type == IFLA_LINKINFO) kind = ReadKind(value);
        }

        return new LinkInfo(index, name, kind, mac, mtu, master, (flags & LinkFlags.Up) != 0) { Flags = flags, HardwareType = hardware };
    }

    private static string ReadKind(ReadOnlySpan<byte> info)
    {
        NetlinkAttributes attributes = new(info);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == IFLA_INFO_KIND) return Text(value);
        }

        return "";
    }

    private static string Text(ReadOnlySpan<byte> value)
    {
        int end = value.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? value : value[..end]);
    }

    private void Execute(NetlinkRequest request, string action) => Exchange(request, NLMSG_DONE, action, static _ => { });

    private void Dump(NetlinkRequest request, ushort wanted, string action, Reader read) => Exchange(request, wanted, action, read);

    /// <summary>Sends a request and reads until the kernel says that this was all.</summary>
    private void Exchange(NetlinkRequest request, ushort wanted, string action, Reader read)
    {
        uint sequence = ++_sequence;
        _isTorn = false;
        _socket.Send(request.Finish(sequence));
        while (true)
        {
            ReadOnlySpan<byte> rest = _buffer.AsSpan(0, _socket.Receive(_buffer));
            while (rest.Length >= HeaderBytes)
            {
                int length = BinaryPrimitives.ReadInt32LittleEndian(rest);
                if (length < HeaderBytes || length > rest.Length) break;
                ReadOnlySpan<byte> message = rest[..length];
                rest = rest[Math.Min(Align(length), rest.Length)..];
                // What is left of an earlier request that failed is not for this one.
                if (BinaryPrimitives.ReadUInt32LittleEndian(message[8..]) != sequence) continue;
                _isTorn |= (BinaryPrimitives.ReadUInt16LittleEndian(message[6..]) & NLM_F_DUMP_INTR) != 0;
                if (IsLast(message, wanted, action, read)) return;
            }
        }
    }

    private static bool IsLast(ReadOnlySpan<byte> message, ushort wanted, string action, Reader read)
    {
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]);
        ReadOnlySpan<byte> body = message[HeaderBytes..];
        if (type is NLMSG_ERROR or NLMSG_DONE)
        {
            int error = body.Length < ErrorBytes ? 0 : -BinaryPrimitives.ReadInt32LittleEndian(body);
            if (error == 0) return true;
            string words = type == NLMSG_ERROR ? Words(message) : "";
            throw new LinuxException(words.Length == 0 ? action : $"{action} ({words})", error);
        }

        if (type == wanted) read(body);
        return false;
    }

    /// <summary>What the kernel says about an error beside its number.</summary>
    private static string Words(ReadOnlySpan<byte> message)
    {
        ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        ReadOnlySpan<byte> body = message[(HeaderBytes + ErrorBytes)..];
        if ((flags & NLM_F_ACK_TLVS) == 0 || body.Length < HeaderBytes) return "";
        int echoed = (flags & NLM_F_CAPPED) != 0 ? HeaderBytes : Align(BinaryPrimitives.ReadInt32LittleEndian(body));
        if (echoed < HeaderBytes || echoed > body.Length) return "";
        NetlinkAttributes attributes = new(body[echoed..]);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == NLMSGERR_ATTR_MSG) return Text(value);
        }

        return "";
    }
}
