using Vmm.Host;
using Vmm.Network.Xend;

namespace Vmm.Network.Tests.Xend;

/// <summary>A folder of networks of a test's own.</summary>
internal sealed class TestStore : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-net-").FullName;
    private int[] _failAt = [];
    private int _steps, _breakAt;

    public TestStore() => Store = new NetworkStore(_folder);

    public NetworkStore Store { get; }

    /// <summary>Steps that were begun since the last call of <see cref="FailAt"/> or <see cref="BreakAt"/>.</summary>
    public int Steps => _steps;

    public HostNetworks Networks => new(Store, "/nonexistent", Step);

    /// <summary>Has the host refuse steps, counted from 1.</summary>
    public void FailAt(params int[] steps) => (_steps, _failAt, _breakAt) = (0, steps, 0);

    /// <summary>Breaks off at a step, counted from 1, as a signal would: nothing comes after it.</summary>
    public void BreakAt(int step) => (_steps, _failAt, _breakAt) = (0, [], step);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Step(string what)
    {
        if (++_steps == _breakAt) throw new InvalidOperationException(what);
        if (_failAt.Contains(_steps)) throw new LinuxException($"no more: {what}");
    }
}
