using Vmm.Network.User.Packets;

namespace Vmm.Network.User;

/// <summary>
/// Puts the guest's IP fragments together (RFC 791 §3.2, RFC 8200 §4.5), a few packets at once. Fragments that overlap end their packet: no honest sender makes
/// them (RFC 5722). What is not whole in time is forgotten.
/// </summary>
internal sealed class Reassembler
{
    private const int Slots = 8;
    private const int MostFragments = 128;
    private const long MostNs = 15_000_000_000;
    private const int MostBytes = 65535;

    private readonly Slot?[] _slots = new Slot?[Slots];

    /// <summary>Takes a fragment.</summary>
    /// <param name="ip">Its header.</param>
    /// <param name="payload">What is behind it.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="whole">The packet, with a header without options, when it is whole; good until the next call.</param>
    public bool TryAdd(in IpHeader ip, ReadOnlySpan<byte> payload, long nowNs, out Span<byte> whole)
    {
        whole = default;
        bool isOdd = ip.HasMoreFragments && payload.Length % 8 != 0;
        if (payload.IsEmpty || isOdd || IpHeader.PlainBytes(ip.Source) + ip.FragmentOffset + payload.Length > MostBytes) return false;
        Slot slot = Find(ip, nowNs);
        if (!slot.TryAdd(ip.FragmentOffset, payload, !ip.HasMoreFragments))
        {
            slot.IsUsed = false;
            return false;
        }

        if (!slot.IsWhole) return false;
        slot.IsUsed = false;
        whole = slot.Bytes.AsSpan(0, slot.HeaderBytes + slot.EndBytes);
        (ip with { HeaderBytes = slot.HeaderBytes, TotalBytes = whole.Length, FragmentOffset = 0, HasMoreFragments = false }).Write(whole);
        return true;
    }

    private Slot Find(in IpHeader ip, long nowNs)
    {
        Slot? free = null;
        for (int i = 0; i < Slots; i++)
        {
            Slot slot = _slots[i] ??= new Slot();
            if (slot.IsUsed && nowNs - slot.SinceNs > MostNs) slot.IsUsed = false;
            if (slot.IsUsed && slot.Matches(ip)) return slot;
            if (free is null || (free.IsUsed && (!slot.IsUsed || slot.SinceNs < free.SinceNs))) free = slot;
            if (!slot.IsUsed && i + 1 < Slots && _slots[i + 1] is null) break; // memory only for as many as are used at once
        }

        free!.Begin(ip, nowNs);
        return free;
    }

    private sealed class Slot
    {
        private readonly (int Start, int End)[] _pieces = new (int, int)[MostFragments];
        private int _count;
        private int _have;
        private IpAddress _source, _destination;
        private uint _id;
        private byte _protocol;

        public byte[] Bytes { get; } = GC.AllocateUninitializedArray<byte>(MostBytes);

        public bool IsUsed { get; set; }

        public long SinceNs { get; private set; }

        /// <summary>Bytes of the whole packet's header.</summary>
        public int HeaderBytes { get; private set; }

        /// <summary>Bytes of the whole payload; 0 while the last fragment is missing.</summary>
        public int EndBytes { get; private set; }

        public bool IsWhole => EndBytes != 0 && _have == EndBytes;

        public void Begin(in IpHeader ip, long nowNs)
        {
            (_source, _destination, _id, _protocol) = (ip.Source, ip.Destination, ip.Id, ip.Protocol);
            (_count, _have, EndBytes, HeaderBytes) = (0, 0, 0, IpHeader.PlainBytes(ip.Source));
            (IsUsed, SinceNs) = (true, nowNs);
        }

        public bool Matches(in IpHeader ip) => (_source, _destination, _id, _protocol) == (ip.Source, ip.Destination, ip.Id, ip.Protocol);

        public bool TryAdd(int start, ReadOnlySpan<byte> payload, bool isLast)
        {
            int end = start + payload.Length;
            for (int i = 0; i < _count; i++)
            {
                if (_pieces[i] == (start, end)) return true; // the same again
                if (start < _pieces[i].End && _pieces[i].Start < end) return false;
                if (isLast && _pieces[i].End > end) return false;
            }

            if (_count == MostFragments || (EndBytes != 0 && (isLast || end > EndBytes))) return false;
            _pieces[_count++] = (start, end);
            _have += payload.Length;
            if (isLast) EndBytes = end;
            payload.CopyTo(Bytes.AsSpan(HeaderBytes + start));
            return true;
        }
    }
}
