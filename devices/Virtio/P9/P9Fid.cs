using Vmm.Core.Backends.Files;

namespace Vmm.Devices.Virtio.P9;

/// <summary>What a number of the client stands for. <see cref="P9Session"/> says who may use it.</summary>
internal sealed class P9Fid(uint number, uint uid) : IDisposable
{
    public uint Number { get; } = number;

    /// <summary>The user who attached.</summary>
    public uint Uid { get; } = uid;

    /// <summary>The node; null only for one that a restore did not find again.</summary>
    public IFileNode? Node { get; set; }

    /// <summary>Open, when it is.</summary>
    public IOpenFile? File { get; set; }

    /// <summary>How it was opened, for a restore.</summary>
    public OpenModes Modes { get; set; }

    public P9Extended? Extended { get; set; }

    /// <summary>What a restore did not find again.</summary>
    public P9FidState? Lost { get; init; }

    /// <summary>Requests that use it now.</summary>
    public int Users { get; set; }

    /// <summary>One of them alone.</summary>
    public bool IsExclusive { get; set; }

    public void Dispose()
    {
        File?.Dispose();
        Node?.Dispose();
        (File, Node, Extended) = (null, null, null);
    }
}
