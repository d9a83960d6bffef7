namespace Vmm.Core.Memory;

/// <summary>Gives pages of the files behind guest memory back to the host. Any thread.</summary>
public interface IPageDiscarder
{
    /// <summary>Forgets whole pages: they cost nothing and read as zero until they are written again.</summary>
    /// <returns>False when the host refuses; nothing is changed then.</returns>
    bool TryDiscard(int fileDescriptor, ulong offset, ulong sizeBytes);
}
