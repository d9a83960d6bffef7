using System.Diagnostics;
using Vmm.Devices.Virtio.P9;
using Vmm.Host.Files;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>A shared folder with a client that has attached to it as fid 0, and a folder beside it that must stay out of reach.</summary>
internal sealed class P9Bench : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("vmm-9p-").FullName;
    private readonly HostFileTree _tree;

    public P9Bench(FileTreeOptions? options = null, int maxFids = 1000, Action<string>? prepare = null)
    {
        Directory.CreateDirectory(Share);
        Directory.CreateDirectory(Outside);
        File.WriteAllText(Path.Combine(Outside, "secret"), "secret");
        prepare?.Invoke(Share);
        _tree = HostFileTree.Open(Share, options ?? new FileTreeOptions());
        Virtio = new VirtioBench(workers => Device = NewDevice(workers, maxFids));
        Client = new P9Client(Virtio.Start()[0]);
        Assert.Equal(0, Client.Version());
        Assert.Equal(0, Client.Attach(0));
    }

    public string Share => Path.Combine(_top, "share");

    public string Outside => Path.Combine(_top, "outside");

    public VirtioBench Virtio { get; }

    public Virtio9p Device { get; private set; } = null!;

    public P9Client Client { get; }

    /// <summary>A path in the shared folder.</summary>
    public string At(string name) => Path.Combine(Share, name);

    public Virtio9p NewDevice(PumpedWorkers? workers = null, int maxFids = 1000)
        => new(_tree, new Virtio9pOptions { Tag = "share", Workers = 2, MaxFids = maxFids }, workers ?? new PumpedWorkers());

    public void Dispose()
    {
        Device.Dispose();
        Virtio.Dispose();
        _tree.Dispose();
        // .NET does not find names that are not UTF-8.
        using Process remove = Process.Start("rm", ["-rf", _top]);
        remove.WaitForExit();
    }
}
