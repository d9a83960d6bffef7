using System.Numerics;
using Vmm.Core.Bus;

namespace Vmm.Devices.Pci;

/// <summary>A base address register and the device behind it, which finds the register's index as <see cref="BusAccess.Region"/>.</summary>
public sealed class PciBar
{
    private const ulong SmallestIo = 4;
    private const ulong SmallestMemory = 16;
    private const ulong LargestIo = 256;

    private ulong? _mapped;

    /// <exception cref="ArgumentException">The size is no power of two, or too small or large for its kind; the index does not exist.</exception>
    public PciBar(int index, PciBarKind kind, ulong sizeBytes, IBusDevice device, bool isPrefetchable = false)
    {
        int last = kind == PciBarKind.Memory64 ? index + 1 : index;
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(last, PciRegisters.BarCount, nameof(index));
        bool fits = kind switch
        {
            PciBarKind.Io => sizeBytes is >= SmallestIo and <= LargestIo,
            PciBarKind.Memory32 => sizeBytes is >= SmallestMemory and <= 1UL << 31,
            _ => sizeBytes >= SmallestMemory,
        };
        if (!fits || !BitOperations.IsPow2(sizeBytes)) throw new ArgumentException($"BAR {index} cannot have 0x{sizeBytes:x} bytes", nameof(sizeBytes));
        (Index, Kind, SizeBytes, Device, IsPrefetchable) = (index, kind, sizeBytes, device, isPrefetchable);
    }

    /// <summary>The (first) register's number.</summary>
    public int Index { get; }

    public PciBarKind Kind { get; }

    /// <summary>A power of two.</summary>
    public ulong SizeBytes { get; }

    /// <summary>Who answers.</summary>
    public IBusDevice Device { get; }

    public bool IsPrefetchable { get; }

    /// <summary>The range has appeared, moved or gone: its address, null for none. Raised with the bus held; do not call it from there.</summary>
    public event Action<ulong?>? Moved;

    /// <summary>Where the range is attached now; null while it is not decoded. Guarded by the bus.</summary>
    internal ulong? Mapped
    {
        get => _mapped;
        set
        {
            _mapped = value;
            Moved?.Invoke(value);
        }
    }

    /// <summary>Registers taken.</summary>
    internal int Registers => Kind == PciBarKind.Memory64 ? 2 : 1;

    /// <summary>The read-only low bits of the register.</summary>
    internal uint TypeBits => Kind switch
    {
        PciBarKind.Io => IoSpaceIndicator,
        PciBarKind.Memory32 => IsPrefetchable ? Prefetchable : 0,
        _ => Type64 | (IsPrefetchable ? Prefetchable : 0),
    };

    private const uint IoSpaceIndicator = 1 << 0;
    private const uint Type64 = 2 << 1;
    private const uint Prefetchable = 1 << 3;
}
