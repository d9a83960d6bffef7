namespace Vmm.Core.Backends;

/// <summary>Where random bytes come from. Any thread; never blocks.</summary>
public interface IEntropySource
{
    /// <summary>Fills all of <paramref name="data"/> with bytes that nobody can foretell.</summary>
    void Fill(Span<byte> data);
}
