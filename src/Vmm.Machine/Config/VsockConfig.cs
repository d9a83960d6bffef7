using System.Globalization;
using System.Text;
using Vmm.Devices.Virtio.Vsock;
using Vmm.Host.Vsock;

namespace Vmm.Machine.Config;

/// <summary>A virtio socket device: streams between programs in the guest and programs on the host.</summary>
public sealed record VsockConfig : DeviceConfig
{
    /// <summary>The guest's context id.</summary>
    public required uint Cid { get; init; }

    /// <summary>The Unix socket for host programs; those that the guest connects to are found beside it.</summary>
    public required string Path { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "vsock";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Cid is < VirtioVsock.LeastGuestCid or uint.MaxValue) errors.Add(new($"{path}.cid", $"{Cid} is not from {VirtioVsock.LeastGuestCid} to {uint.MaxValue - 1}"));
        if (Path.Length == 0) errors.Add(new($"{path}.path", "is empty"));
        if (Encoding.UTF8.GetByteCount(Path) > UnixVsockHost.MostPathBytes)
            errors.Add(new($"{path}.path", $"has more than {UnixVsockHost.MostPathBytes} bytes; a port number must find room behind it in a socket path"));
    }

    /// <summary>Reads "cid=…,path=…".</summary>
    public static VsockConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"vsock[{index}]", text, errors);
        string cid = keys.Need("cid", $"the guest's context id, from {VirtioVsock.LeastGuestCid}");
        if (!uint.TryParse(cid, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) && cid.Length != 0) keys.Refuse("cid", $"'{cid}' is no number");
        VsockConfig config = new()
        {
            Cid = number,
            Path = keys.Need("path", "the Unix socket for programs on the host"),
            Id = keys.Take("id") ?? $"vsock{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }
}
