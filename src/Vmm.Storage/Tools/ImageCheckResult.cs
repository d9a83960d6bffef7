namespace Vmm.Storage.Tools;

/// <summary>What a check found, and what it mended.</summary>
public sealed class ImageCheckResult
{
    private const int MostMessages = 100;

    private readonly List<string> _messages = [];

    /// <summary>What is wrong and would destroy data.</summary>
    public ulong Corruptions { get; internal set; }

    /// <summary>Clusters counted more often than used: space lost, no more.</summary>
    public ulong Leaks { get; internal set; }

    public ulong CorruptionsFixed { get; internal set; }

    public ulong LeaksFixed { get; internal set; }

    /// <summary>Clusters that hold the active disk's data.</summary>
    public ulong AllocatedClusters { get; internal set; }

    public ulong CompressedClusters { get; internal set; }

    /// <summary>Clusters of the disk.</summary>
    public ulong TotalClusters { get; internal set; }

    /// <summary>Where the last cluster in use ends.</summary>
    public ulong EndOffset { get; internal set; }

    /// <summary>The first findings in words.</summary>
    public IReadOnlyList<string> Messages => _messages;

    /// <summary>Nothing is wrong (any more).</summary>
    public bool IsClean => Corruptions == 0 && Leaks == 0;

    internal string? FirstError => _messages.Count == 0 ? null : _messages[0];

    internal void Corruption(string message)
    {
        Corruptions++;
        if (_messages.Count < MostMessages) _messages.Add("ERROR " + message);
    }

    internal void Leak(string message)
    {
        Leaks++;
        if (_messages.Count < MostMessages) _messages.Add("leak: " + message);
    }
}
