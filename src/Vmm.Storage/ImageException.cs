using Vmm.Core.Backends;

namespace Vmm.Storage;

/// <summary>An image cannot be opened, made or worked on. The message is one line for the user.</summary>
public sealed class ImageException : IOException
{
    public ImageException(string message) : base(message) { }

    public ImageException(string message, Exception inner) : base(message, inner) { }

    public ImageException() { }

    internal ImageException(BlockResult result, string message, int errorNumber = 0) : base(message) => (Result, ErrorNumber) = (result, errorNumber);

    /// <summary>What a guest's request that ran into this ends with.</summary>
    public BlockResult Result { get; } = BlockResult.NotSupported;

    /// <summary>The host's error number (errno); 0 where it was not the host that failed.</summary>
    public int ErrorNumber { get; }

    internal static ImageException Corrupt(string message) => new(BlockResult.Corrupt, message);
}
