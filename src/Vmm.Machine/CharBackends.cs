using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Serial;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>Opens the host ends of serial ports and consoles.</summary>
internal static class CharBackends
{
    /// <param name="end">What to open.</param>
    /// <param name="what">For messages: "serial port", "console".</param>
    /// <param name="host">The process around it.</param>
    /// <exception cref="LinuxException">A file, socket, terminal or pseudo-terminal cannot be had.</exception>
    public static ICharBackend Open(SerialConfig end, string what, MachineHost host)
    {
        ICharBackend line = OpenLine(end, what, host);
        if (host.TapsConsoles) line = new TappedChar(host.Loop, line);
        if (end.Log is not { } log) return line;
        try
        {
            return new LoggedChar(line, log, (long)end.LogMaxBytes, host.Note);
        }
        catch
        {
            line.Dispose();
            throw;
        }
    }

    /// <summary>Where others listen and type, if they can.</summary>
    public static TappedChar? TapOf(ICharBackend line) => (line is LoggedChar logged ? logged.Line : line) as TappedChar;

    /// <summary>What to connect to at the host end; null for nothing.</summary>
    public static string? PathOf(SerialConfig end, ICharBackend line) => (TapOf(line)?.Line ?? line) is PtyChar pty ? pty.Path : end.Path;

    private static ICharBackend OpenLine(SerialConfig end, string what, MachineHost host)
    {
        switch (end.Kind)
        {
            case SerialKind.Stdio:
                StdioChar console = new(host.Loop, host.Leave, host.Note);
                if (console.Terminal is not null) host.Note("Ctrl-] leaves");
                return console;
            case SerialKind.File or SerialKind.Append:
                return new FileChar(end.Path!, end.Kind == SerialKind.Append, host.Note);
            case SerialKind.Pty:
                PtyChar pty = new(host.Loop);
                host.Note($"{what} on {pty.Path}");
                return pty;
            case SerialKind.Unix:
                return new UnixChar(host.Loop, end.Path!, host.Note);
            default:
                return new NullChar();
        }
    }
}
