using System.Buffers.Binary;
using System.Collections.Immutable;
using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Net.VirtioNetRegisters;

namespace Vmm.Devices.Virtio.Net;

/// <summary>Obeys the commands of the control queue, on its worker (virtio 1.2 §5.1.6.5).</summary>
internal sealed class NetController
{
    /// <summary>Commands of one run: whoever wants to stop the worker comes after them.</summary>
    private const int Batch = 64;

    private const int CountBytes = 4;

    private readonly VirtioNet _net;
    private readonly IWorker _worker;
    private VirtChain? _chain;

    public NetController(VirtioNet net, IWorkers workers)
    {
        _net = net;
        _worker = workers.Create("virtio-net control", Serve);
    }

    public void Wake() => _worker.Wake();

    public IWorker Worker => _worker;

    public void End() => _worker.Dispose();

    private void Serve()
    {
        if (_net.Activation is not { } life || !life.Has(VIRTIO_NET_F_CTRL_VQ)) return;
        VirtQueue queue = life.Queues[_net.ControlQueueOf(life)];
        VirtChain chain = _chain ??= queue.NewChain();
        Span<byte> command = stackalloc byte[CommandBytes];
        int served = 0;
        for (; served < Batch && queue.TryPop(chain); served++)
        {
            if (chain.WritableBytes == 0 || !chain.TryRead(0, command))
            {
                queue.Break($"a command has {chain.ReadableBytes} bytes to read and {chain.WritableBytes} to write");
                queue.Push(chain, 0);
                break;
            }

            bool isDone = Obey(life, command[0], command[1], chain);
            if (isDone) _net.NoteCommand();
            chain.TryWrite(0, [isDone ? VIRTIO_NET_OK : VIRTIO_NET_ERR]);
            queue.Push(chain, 1);
        }

        queue.Signal();
        if (served == Batch) _worker.Wake();
    }

    private bool Obey(VirtioActivation life, byte kind, byte command, VirtChain chain) => kind switch
    {
        VIRTIO_NET_CTRL_RX => life.Has(command < VIRTIO_NET_CTRL_RX_ALLUNI ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA) && SetMode(command, chain),
        VIRTIO_NET_CTRL_MAC when command == VIRTIO_NET_CTRL_MAC_TABLE_SET => life.Has(VIRTIO_NET_F_CTRL_RX) && SetTables(chain),
        VIRTIO_NET_CTRL_MAC when command == VIRTIO_NET_CTRL_MAC_ADDR_SET => life.Has(VIRTIO_NET_F_CTRL_MAC_ADDR) && SetAddress(chain),
        VIRTIO_NET_CTRL_VLAN => life.Has(VIRTIO_NET_F_CTRL_VLAN) && SetVlan(command, chain),
        VIRTIO_NET_CTRL_ANNOUNCE => life.Has(VIRTIO_NET_F_GUEST_ANNOUNCE) && command == VIRTIO_NET_CTRL_ANNOUNCE_ACK && _net.EndAnnounce(),
        VIRTIO_NET_CTRL_MQ => life.Has(VIRTIO_NET_F_MQ) && command == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET
            && TryGetUInt16(chain, out ushort pairs) && _net.TryUsePairs(life, pairs),
        VIRTIO_NET_CTRL_GUEST_OFFLOADS => life.Has(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) && command == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET && SetOffloads(life, chain),
        _ => false,
    };

    private bool SetMode(byte command, VirtChain chain)
    {
        NetReceiveMode flag = command switch
        {
            VIRTIO_NET_CTRL_RX_PROMISC => NetReceiveMode.Promiscuous,
            VIRTIO_NET_CTRL_RX_ALLMULTI => NetReceiveMode.AllMulticast,
            VIRTIO_NET_CTRL_RX_ALLUNI => NetReceiveMode.AllUnicast,
            VIRTIO_NET_CTRL_RX_NOMULTI => NetReceiveMode.NoMulticast,
            VIRTIO_NET_CTRL_RX_NOUNI => NetReceiveMode.NoUnicast,
            VIRTIO_NET_CTRL_RX_NOBCAST => NetReceiveMode.NoBroadcast,
            _ => NetReceiveMode.None,
        };
        Span<byte> on = stackalloc byte[1];
        if (flag == NetReceiveMode.None || !chain.TryRead(CommandBytes, on)) return false;
        _net.Filter = _net.Filter.With(flag, on[0] != 0);
        return true;
    }

    private bool SetTables(VirtChain chain)
    {
        ulong at = CommandBytes;
        if (!TryGetTable(chain, ref at, out ImmutableArray<MacAddress> unicast, out bool isUnicastOver)
            || !TryGetTable(chain, ref at, out ImmutableArray<MacAddress> multicast, out bool isMulticastOver)) return false;
        NetFilter filter = _net.Filter with { Unicast = unicast, Multicast = multicast };
        _net.Filter = filter.With(NetReceiveMode.UnicastOverflow, isUnicastOver).With(NetReceiveMode.MulticastOverflow, isMulticastOver);
        return true;
    }

    /// <summary>A count, then so many addresses.</summary>
    private static bool TryGetTable(VirtChain chain, ref ulong at, out ImmutableArray<MacAddress> table, out bool isOver)
    {
        (table, isOver) = ([], false);
        Span<byte> bytes = stackalloc byte[Math.Max(CountBytes, NetFilter.TableEntries * MacAddress.SizeBytes)];
        if (!chain.TryRead(at, bytes[..CountBytes])) return false;
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        at += CountBytes;
        if ((ulong)count * MacAddress.SizeBytes > chain.ReadableBytes - at) return false;
        isOver = count > NetFilter.TableEntries;
        if (!isOver)
        {
            bytes = bytes[..((int)count * MacAddress.SizeBytes)];
            if (!chain.TryRead(at, bytes)) return false;
            ImmutableArray<MacAddress>.Builder entries = ImmutableArray.CreateBuilder<MacAddress>((int)count);
            for (; !bytes.IsEmpty; bytes = bytes[MacAddress.SizeBytes..]) entries.Add(MacAddress.Read(bytes));
            table = entries.MoveToImmutable();
        }

        at += (ulong)count * MacAddress.SizeBytes;
        return true;
    }

    private bool SetAddress(VirtChain chain)
    {
        Span<byte> address = stackalloc byte[MacAddress.SizeBytes];
        if (!chain.TryRead(CommandBytes, address)) return false;
        _net.Filter = _net.Filter with { Own = MacAddress.Read(address) };
        return true;
    }

    private bool SetVlan(byte command, VirtChain chain)
    {
        bool isGood = TryGetUInt16(chain, out ushort vlan) && vlan < NetFilter.VlanWords * 64
            && command is VIRTIO_NET_CTRL_VLAN_ADD or VIRTIO_NET_CTRL_VLAN_DEL;
        if (isGood) _net.Filter = _net.Filter.WithVlan(vlan, command == VIRTIO_NET_CTRL_VLAN_ADD);
        return isGood;
    }

    private bool SetOffloads(VirtioActivation life, VirtChain chain)
    {
        Span<byte> wanted = stackalloc byte[sizeof(ulong)];
        return chain.TryRead(CommandBytes, wanted) && _net.TryTakeOffloads(life, BinaryPrimitives.ReadUInt64LittleEndian(wanted));
    }

    private static bool TryGetUInt16(VirtChain chain, out ushort value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        bool isThere = chain.TryRead(CommandBytes, bytes);
        value = isThere ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : (ushort)0;
        return isThere;
    }
}
