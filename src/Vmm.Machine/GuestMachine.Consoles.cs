using Vmm.Core.Backends;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine;

/// <content>Serial ports and consoles.</content>
public sealed partial class GuestMachine
{
    /// <summary>Those that can be listened to and typed on, see <see cref="MachineHost.TapsConsoles"/>.</summary>
    public IReadOnlyList<GuestConsole> Consoles
    {
        get
        {
            lock (_life)
            {
                List<GuestConsole> consoles = [];
                for (int i = 0; i < _serial.Ports.Count; i++) Add(consoles, $"serial{i}", _config.Serial[i], _serial.Ports[i], null, i);
                int number = 0;
                foreach (ConsoleAttachment console in _attachments.All.Select(d => d.Attachment).OfType<ConsoleAttachment>())
                {
                    foreach ((int port, ConsolePortConfig config, ICharBackend line) in console.Lines)
                        Add(consoles, config.Name is { } name ? $"port.{name}" : $"hvc{number++}", config.End, line, console.Id, port);
                }

                return consoles;
            }
        }
    }

    private static void Add(List<GuestConsole> to, string name, SerialConfig end, ICharBackend line, string? device, int port)
    {
        if (CharBackends.TapOf(line) is { } tap) to.Add(new GuestConsole(name, tap, CharBackends.PathOf(end, line), device, port));
    }
}
