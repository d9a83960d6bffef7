using System.Globalization;

namespace Vmm.Core.Memory;

/// <summary>A guest-physical address in bytes. A type of its own, so that it is never mistaken for a host pointer or an offset.</summary>
public readonly record struct GuestAddress(ulong Value) : IComparable<GuestAddress>
{
    /// <summary>The architectural page size in bytes.</summary>
    public const int PageSize = 4096;

    /// <summary>log2 of <see cref="PageSize"/>.</summary>
    public const int PageShift = 12;

    /// <summary>The guest page frame number.</summary>
    public ulong Page => Value >> PageShift;

    /// <summary>The address <paramref name="bytes"/> further on; wraps at 2^64, which every memory access then refuses.</summary>
    public static GuestAddress operator +(GuestAddress address, ulong bytes) => new(unchecked(address.Value + bytes));

    /// <inheritdoc/>
    public int CompareTo(GuestAddress other) => Value.CompareTo(other.Value);

    public static bool operator <(GuestAddress left, GuestAddress right) => left.Value < right.Value;

    public static bool operator >(GuestAddress left, GuestAddress right) => left.Value > right.Value;

    public static bool operator <=(GuestAddress left, GuestAddress right) => left.Value <= right.Value;

    public static bool operator >=(GuestAddress left, GuestAddress right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => "0x" + Value.ToString("x", CultureInfo.InvariantCulture);
}
