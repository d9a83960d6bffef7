namespace Vmm.Storage.Qcow2;

/// <summary>A number for each cluster of a file; memory is taken for the parts that have any.</summary>
internal sealed class ClusterCounts
{
    private const int PartBits = 12;
    private const ulong Most = 1UL << 28;

    private readonly uint[]?[] _parts;

    /// <exception cref="ImageException">The file has too many clusters to be counted.</exception>
    public ClusterCounts(ulong clusters)
    {
        if (clusters > Most) throw new ImageException($"the file has {clusters} clusters, more than can be counted ({Most})");
        Clusters = clusters;
        _parts = new uint[]?[(clusters >> PartBits) + 1];
    }

    public ulong Clusters { get; }

    public uint this[ulong cluster] => cluster < Clusters && _parts[cluster >> PartBits] is { } part ? part[cluster & ((1 << PartBits) - 1)] : 0;

    public void Add(ulong cluster)
    {
        ref uint[]? part = ref _parts[cluster >> PartBits];
        part ??= new uint[1 << PartBits];
        part[cluster & ((1 << PartBits) - 1)]++;
    }
}
