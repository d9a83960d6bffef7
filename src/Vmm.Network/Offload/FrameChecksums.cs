using Vmm.Core.Backends;

namespace Vmm.Network.Offload;

/// <summary>The checksums that a sender has left, and those that a receiver need not look at any more.</summary>
internal static class FrameChecksums
{
    /// <summary>Fills in the checksum that the header asks for; its offsets were checked (<see cref="NetHeader.TryCheck"/>).</summary>
    public static void Complete(Span<byte> frame, in NetHeader header)
    {
        if (!header.NeedsChecksum) return;
        // The field holds the pseudo-header's sum, which so is in.
        Span<byte> field = frame.Slice(header.ChecksumStart + header.ChecksumOffset, sizeof(ushort));
        ushort sum = (ushort)~OnesSum.Fold(OnesSum.Add(0, frame[header.ChecksumStart..]));
        // Zero would say that there is none (RFC 768); for TCP both zeros are the same.
        BitConverter.TryWriteBytes(field, sum == 0 ? ushort.MaxValue : sum);
    }

    /// <summary>Whether a frame carries a checksum of TCP or UDP, and a right one.</summary>
    public static bool AreRight(ReadOnlySpan<byte> frame)
    {
        if (!FrameLayout.TryRead(frame, out FrameLayout layout)) return false;
        if (layout.Protocol == FrameLayout.Udp && frame.Slice(layout.Checksum, sizeof(ushort)).IndexOfAnyExcept((byte)0) < 0) return false;
        ReadOnlySpan<byte> segment = frame[layout.Transport..layout.End];
        return OnesSum.Fold(OnesSum.Add(layout.PseudoHeader(frame, segment.Length), segment)) == ushort.MaxValue;
    }
}
