using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>Random bytes that are the same in each run.</summary>
public sealed class SeededEntropy(int seed) : IEntropySource
{
    private readonly Random _random = new(seed);

    public void Fill(Span<byte> data) => _random.NextBytes(data);
}
