using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Serial;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>The host ends of a machine's serial ports and of its debug console. They outlive a reset.</summary>
internal sealed class SerialBackends : IDisposable
{
    private readonly ICharBackend[] _ports;

    /// <exception cref="LinuxException">A file, socket or pseudo-terminal cannot be had.</exception>
    public SerialBackends(MachineConfig config, MachineHost host)
    {
        _ports = new ICharBackend[config.Serial.Length];
        Array.Fill(_ports, new NullChar());
        try
        {
            if (config.DebugConsole is not null) DebugConsole = CharBackends.Open(config.DebugConsole, "debug console", host);
            // The terminal last, because it changes how errors must be printed.
            foreach (int i in Enumerable.Range(0, _ports.Length).OrderBy(i => config.Serial[i].Kind == SerialKind.Stdio))
                _ports[i] = CharBackends.Open(config.Serial[i], "serial port", host);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>COM1 first.</summary>
    public IReadOnlyList<ICharBackend> Ports => _ports;

    /// <summary>Where the debug console's output goes; null without one.</summary>
    public ICharBackend? DebugConsole { get; }

    public void Dispose()
    {
        foreach (ICharBackend backend in _ports) backend.Dispose();
        DebugConsole?.Dispose();
    }
}
