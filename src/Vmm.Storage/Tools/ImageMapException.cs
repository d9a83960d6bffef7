namespace Vmm.Storage.Tools;

/// <summary>An image's tables do not say where a piece of the disk lies. The message is one line for the user.</summary>
public sealed class ImageMapException : IOException
{
    public ImageMapException(string message) : base(message) { }

    public ImageMapException(string message, Exception inner) : base(message, inner) { }

    public ImageMapException() { }
}
