namespace Vmm.Storage;

/// <summary>How a disk lies in a file. Always said by the user, never guessed: a guest can write any header into a raw disk.</summary>
public enum ImageFormat
{
    Raw,
    Qcow2,
}
