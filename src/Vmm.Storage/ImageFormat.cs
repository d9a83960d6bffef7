namespace Vmm.Storage;

/// <summary>How a disk lies in a file. Always said by the user, never guessed: a guest can write any header into a raw disk.</summary>
public enum ImageFormat
{
    Raw,
    Qcow2,

    /// <summary>Virtual PC's and Hyper-V's, named as qemu-img names it: vpc.</summary>
    Vhd,

    /// <summary>VMware's.</summary>
    Vmdk,
}
