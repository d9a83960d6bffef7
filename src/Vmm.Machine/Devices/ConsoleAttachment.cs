using Vmm.Core.Backends;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Console;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The host ends of a console's ports.</summary>
internal sealed class ConsoleAttachment : IAttachment
{
    private readonly List<VirtioConsolePort> _ports = [];
    private readonly int[] _order;
    private readonly TerminalSize?[] _sizes;
    private readonly ConsoleConfig _config;
    private VirtioConsole? _device;

    /// <exception cref="Host.LinuxException">A file, socket, terminal or pseudo-terminal cannot be had.</exception>
    public ConsoleAttachment(ConsoleConfig config, MachineHost host)
    {
        (Id, _config) = (config.Id, config);
        // Consoles first, because the first port is what a simple driver takes for the console; otherwise as they were named.
        _order = [.. Enumerable.Range(0, config.Ports.Length).OrderBy(i => config.Ports[i].Name is not null)];
        _sizes = new TerminalSize?[_order.Length];
        try
        {
            foreach (ConsolePortConfig port in _order.Select(i => config.Ports[i]))
                _ports.Add(new(CharBackends.Open(port.End, port.Name is null ? "console" : $"port {port.Name}", host), port.Name));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room)
    {
        _device = new VirtioConsole(_ports, room.Workers);
        for (int i = 0; i < _sizes.Length; i++)
        {
            if (_sizes[i] is { } size) _device.Resize(size, i);
        }

        return _device;
    }

    /// <summary>The ports in the order in which the guest numbers them: each with its number in the configuration.</summary>
    public IEnumerable<(int Number, ConsolePortConfig Config, ICharBackend Line)> Lines => _order.Select((number, at) => (number, _config.Ports[number], _ports[at].Backend));

    /// <summary>Tells the guest how large a window is, in this life and the later ones. False when there is no such port.</summary>
    /// <param name="port">Its number in the configuration.</param>
    /// <param name="size">The size.</param>
    public bool TryResize(int port, TerminalSize size)
    {
        int at = Array.IndexOf(_order, port);
        if (at < 0) return false;
        _sizes[at] = size;
        _device?.Resize(size, at);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (VirtioConsolePort port in _ports) port.Backend.Dispose();
        _ports.Clear();
    }
}
