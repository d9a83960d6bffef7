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
            if (config.DebugConsole is not null) DebugConsole = Open(config.DebugConsole, host);
            // The terminal last, because it changes how errors must be printed.
            for (int i = 0; i < _ports.Length; i++)
            {
                if (config.Serial[i].Kind != SerialKind.Stdio) _ports[i] = Open(config.Serial[i], host);
            }

            int stdio = config.Serial.IndexOf(new SerialConfig(SerialKind.Stdio));
            if (stdio < 0) return;
            StdioChar console = new(host.Loop, host.Leave, host.Note);
            _ports[stdio] = console;
            if (console.Terminal is not null) host.Note("Ctrl-] leaves");
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

    private static ICharBackend Open(SerialConfig port, MachineHost host)
    {
        switch (port.Kind)
        {
            case SerialKind.File or SerialKind.Append:
                return new FileChar(port.Path!, port.Kind == SerialKind.Append, host.Note);
            case SerialKind.Pty:
                PtyChar pty = new(host.Loop);
                host.Note($"serial port on {pty.Path}");
                return pty;
            case SerialKind.Unix:
                return new UnixChar(host.Loop, port.Path!, host.Note);
            default:
                return new NullChar();
        }
    }
}
