using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.User.Dhcp;

/// <summary>What a DHCP client says (RFC 2131 §2), read once.</summary>
internal readonly ref struct DhcpRequest
{
    public const int FixedBytes = 240;
    public const uint Magic = 0x63825363;
    public const int OperationAt = 0, HardwareTypeAt = 1, HardwareBytesAt = 2, TransactionAt = 4, FlagsAt = 10, ClientAddressAt = 12, YourAddressAt = 16;
    public const int RelayAt = 24, HardwareAddressAt = 28, MagicAt = 236;
    public const byte BOOTREQUEST = 1, BOOTREPLY = 2, HardwareEthernet = 1;
    public const ushort BroadcastFlag = 0x8000;

    public DhcpMessageType Type { get; private init; }

    public uint Transaction { get; private init; }

    public ushort Flags { get; private init; }

    /// <summary>The address that the client uses already; 0 for none.</summary>
    public Ipv4Address ClientAddress { get; private init; }

    public Ipv4Address? RequestedAddress { get; private init; }

    public Ipv4Address? Server { get; private init; }

    public MacAddress Mac { get; private init; }

    /// <summary>What tells clients apart: the identifier that the client gives, else its Ethernet address.</summary>
    public ReadOnlySpan<byte> Identity { get; private init; }

    public static bool TryRead(ReadOnlySpan<byte> message, out DhcpRequest request)
    {
        request = default;
        bool isRequest = message.Length >= FixedBytes && message[OperationAt] == BOOTREQUEST && message[HardwareTypeAt] == HardwareEthernet
            && message[HardwareBytesAt] == MacAddress.SizeBytes && BinaryPrimitives.ReadUInt32BigEndian(message[MagicAt..]) == Magic
            && BinaryPrimitives.ReadUInt32BigEndian(message[RelayAt..]) == 0;
        if (!isRequest) return false;
        DhcpRequest read = new()
        {
            Transaction = BinaryPrimitives.ReadUInt32BigEndian(message[TransactionAt..]),
            Flags = BinaryPrimitives.ReadUInt16BigEndian(message[FlagsAt..]),
            ClientAddress = new(BinaryPrimitives.ReadUInt32BigEndian(message[ClientAddressAt..])),
            Mac = MacAddress.Read(message[HardwareAddressAt..]),
            Identity = message.Slice(HardwareAddressAt, MacAddress.SizeBytes),
        };
        ReadOnlySpan<byte> options = message[FixedBytes..];
        while (!options.IsEmpty && options[0] != (byte)DhcpOption.End)
        {
            if (options[0] == (byte)DhcpOption.Pad)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] > options.Length - 2) return false;
            Take(ref read, (DhcpOption)options[0], options.Slice(2, options[1]));
            options = options[(2 + options[1])..];
        }

        request = read;
        return read.Type != DhcpMessageType.None;
    }

    private static void Take(ref DhcpRequest read, DhcpOption option, ReadOnlySpan<byte> value)
    {
        switch (option)
        {
            case DhcpOption.MessageType when value.Length == 1:
                read = read.With((DhcpMessageType)value[0], read.RequestedAddress, read.Server, read.Identity);
                break;
            case DhcpOption.RequestedAddress when value.Length == sizeof(uint):
                read = read.With(read.Type, new Ipv4Address(BinaryPrimitives.ReadUInt32BigEndian(value)), read.Server, read.Identity);
                break;
            case DhcpOption.ServerIdentifier when value.Length == sizeof(uint):
                read = read.With(read.Type, read.RequestedAddress, new Ipv4Address(BinaryPrimitives.ReadUInt32BigEndian(value)), read.Identity);
                break;
            case DhcpOption.ClientIdentifier when value.Length != 0:
                read = read.With(read.Type, read.RequestedAddress, read.Server, value);
                break;
        }
    }

    private DhcpRequest With(DhcpMessageType type, Ipv4Address? requested, Ipv4Address? server, ReadOnlySpan<byte> identity) => new()
    {
        Type = type,
        Transaction = Transaction,
        Flags = Flags,
        ClientAddress = ClientAddress,
        RequestedAddress = requested,
        Server = server,
        Mac = Mac,
        Identity = identity,
    };
}
