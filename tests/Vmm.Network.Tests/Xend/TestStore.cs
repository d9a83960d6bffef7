using Vmm.Host;
using Vmm.Network.Xend;

namespace Vmm.Network.Tests.Xend;

/// <summary>A folder of networks of a test's own.</summary>
internal sealed class TestStore : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-net-").FullName;
    private int _steps, _failAt = int.MaxValue;

    public TestStore() => Store = new NetworkStore(_folder);

    public NetworkStore Store { get; }

    /// <summary>Steps that were begun since the last call of <see cref="FailAt"/>.</summary>
    public int Steps => _steps;

    public HostNetworks Networks => new(Store, "/nonexistent", Step);

    /// <summary>Has a step fail, counted from 1; 0 for none.</summary>
    public void FailAt(int step) => (_steps, _failAt) = (0, step == 0 ? int.MaxValue : step);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Step(string what)
    {
        if (++_steps == _failAt) throw new LinuxException($"no more: {what}");
    }
}
