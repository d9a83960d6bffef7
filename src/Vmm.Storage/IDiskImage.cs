using Vmm.Core.Backends;

namespace Vmm.Storage;

/// <summary>A disk in a file, with what its owner may ask beside I/O. Those calls throw <see cref="ImageException"/>.</summary>
public interface IDiskImage : IBlockBackend
{
    ImageFormat Format { get; }

    /// <summary>The file's name as it was given.</summary>
    string Name { get; }

    /// <summary>Bytes that the file takes on the host.</summary>
    ulong AllocatedBytes { get; }

    /// <summary>The image that shows through where this one has nothing.</summary>
    IDiskImage? Backing { get; }

    /// <summary>The first failure that no caller could be told in words.</summary>
    string? FirstError { get; }

    /// <summary>How the bytes from an offset on are kept.</summary>
    /// <param name="offset">Below the size.</param>
    /// <param name="count">How far to look; not 0.</param>
    BlockExtent Map(ulong offset, ulong count);

    /// <summary>Changes the size; what is new reads as zeros.</summary>
    void Resize(ulong sizeBytes);
}
