using Vmm.Core.State;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Console;
using Vmm.Devices.Virtio.Net;
using Vmm.Devices.Virtio.P9;
using Vmm.Devices.Virtio.Pmem;
using Vmm.Devices.Virtio.Transport;
using Vmm.Devices.Virtio.Vsock;
using Vmm.Machine.Served;

namespace Vmm.Machine.Snapshot;

/// <summary>The states of a virtio device, in a folder of its own. What the driver has chosen comes before the transport, which brings the driver back.</summary>
internal static class DeviceStates
{
    /// <summary>Where the states of a device stand.</summary>
    public static string FolderOf(string id) => $"device/{id}";

    /// <summary>Takes in a device on the PCI bus.</summary>
    public static void Add(StateRegistry to, string id, VirtioPciTransport transport, IVirtioDevice device)
    {
        string folder = FolderOf(id);
        AddFunction(to, folder, transport);
        AddDevice(to, folder, device);
        to.Add($"{folder}/transport", transport, static () => SnapshotJson.Default.VirtioPciState);
    }

    /// <summary>Where a driver is with a transport, whatever device is behind it.</summary>
    /// <exception cref="StateException">Requests are under way.</exception>
    public static IReadOnlyList<StateNode> SaveTransport(VirtioPciTransport transport) => OfTransport(transport).Save();

    /// <summary>Has a new transport, in the same place of a bus, begin where the driver is with another.</summary>
    /// <exception cref="StateException">It cannot be there.</exception>
    public static void RestoreTransport(VirtioPciTransport transport, IReadOnlyList<StateNode> nodes) => OfTransport(transport).Restore(nodes);

    /// <summary>Takes in a device on the memory bus.</summary>
    public static void Add(StateRegistry to, string id, VirtioMmioTransport transport, IVirtioDevice device)
    {
        string folder = FolderOf(id);
        AddDevice(to, folder, device);
        to.Add($"{folder}/transport", transport, static () => SnapshotJson.Default.VirtioMmioState);
    }

    private static StateRegistry OfTransport(VirtioPciTransport transport)
    {
        StateRegistry registry = new();
        AddFunction(registry, "", transport);
        registry.Add("transport", transport, static () => SnapshotJson.Default.VirtioPciState);
        return registry;
    }

    private static void AddFunction(StateRegistry to, string folder, VirtioPciTransport transport)
    {
        to.Add($"{folder}/function", transport.Function, static () => SnapshotJson.Default.PciFunctionState);
        to.Add($"{folder}/msix", transport.Msix, static () => SnapshotJson.Default.MsixState);
    }

    private static void AddDevice(StateRegistry to, string folder, IVirtioDevice device)
    {
        string id = $"{folder}/device";
        switch (device)
        {
            case VirtioBlock block:
                to.Add(id, block, static () => SnapshotJson.Default.VirtioBlockState);
                break;
            case VirtioNet net:
                to.Add(id, net, static () => SnapshotJson.Default.VirtioNetState);
                break;
            case VirtioConsole console:
                to.Add(id, console, static () => SnapshotJson.Default.VirtioConsoleState);
                break;
            case VirtioBalloon balloon:
                to.Add(id, balloon, static () => SnapshotJson.Default.VirtioBalloonState);
                break;
            case VirtioVsock vsock:
                to.Add(id, vsock, static () => SnapshotJson.Default.VirtioVsockState);
                break;
            case Virtio9p share:
                to.Add(id, share, static () => SnapshotJson.Default.Virtio9pState);
                break;
            case VirtioPmem pmem:
                to.Add(id, pmem, static () => SnapshotJson.Default.VirtioPmemState);
                break;
            // In the device model, in the same form as here: the one can go on where the other stopped.
            case VhostUserDevice { State: { } state, Kind: VhostUserKind.Block }:
                to.Add(id, new RemoteDevice<VirtioBlockState>(state, static () => SnapshotJson.Default.VirtioBlockState), static () => SnapshotJson.Default.VirtioBlockState);
                break;
            case VhostUserDevice { State: { } state, Kind: VhostUserKind.Net }:
                to.Add(id, new RemoteDevice<VirtioNetState>(state, static () => SnapshotJson.Default.VirtioNetState), static () => SnapshotJson.Default.VirtioNetState);
                break;
            case VhostUserDevice foreign:
                to.Add(id, new ForeignDevice(foreign.Name), static () => SnapshotJson.Default.VirtioPmemState);
                break;
        }
    }
}
