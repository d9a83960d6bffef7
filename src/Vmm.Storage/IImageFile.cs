using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.Storage;

/// <summary>
/// The bytes under an image. Failures are <see cref="ImageException"/>s with the result that a guest's request is to end with; the
/// image's own entry points turn them into values. I/O may come from any thread.
/// </summary>
internal interface IImageFile : IDisposable
{
    string Name { get; }

    /// <summary>The file of the host that holds just these bytes at just these places; null when there is none.</summary>
    BlockFile? Host => null;

    bool IsReadOnly { get; }

    ulong Length { get; }

    ulong AllocatedBytes { get; }

    /// <summary>Reads; beyond the end there are zeros.</summary>
    void Read(ulong offset, Span<byte> data);

    void Read(ulong offset, ReadOnlySpan<IoVec> vectors);

    void Write(ulong offset, ReadOnlySpan<byte> data);

    void Write(ulong offset, ReadOnlySpan<IoVec> vectors);

    /// <summary>All that was written before is safe once this returns, and nothing written later comes before it.</summary>
    void Flush();

    void SetLength(ulong bytes);

    /// <summary>Makes a range read as zeros and gives its storage back if it can. False: the host cannot.</summary>
    bool TryPunchHole(ulong offset, ulong count);

    /// <summary>Gives the storage of a range back if it can; it reads as zeros or as before then. False: the host cannot.</summary>
    bool TryDiscard(ulong offset, ulong count) => TryPunchHole(offset, count);

    /// <summary>Makes a range read as zeros without writing them. False: the host cannot.</summary>
    bool TryZero(ulong offset, ulong count);

    /// <summary>Whether there is data at an offset below the length, and where that ends.</summary>
    bool IsData(ulong offset, out ulong end);
}
