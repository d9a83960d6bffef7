namespace Vmm.Core.Backends;

/// <summary>What a request asks of a disk; each is a call of <see cref="IBlockBackend"/>.</summary>
public enum BlockOperation : byte
{
    Read,
    Write,
    Flush,
    Discard,
    WriteZeroes,
}
