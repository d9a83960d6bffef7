using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <summary>Reads a serial port in QEMU's words, as xl's <c>serial</c> takes them.</summary>
internal static class XlSerial
{
    // What QEMU's sockets have behind the path; a server that does not wait is what ours are.
    private static readonly string[] SocketOptions = ["server", "server=on", "nowait", "wait=off"];

    /// <summary>Reads a port.</summary>
    /// <param name="text">The words.</param>
    /// <param name="error">What is wrong with them; null when they are good.</param>
    public static SerialConfig? Parse(string text, out string? error)
    {
        error = null;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        (string kind, string rest) = colon < 0 ? (text, "") : (text[..colon], text[(colon + 1)..]);
        switch (kind)
        {
            // xl's console on a terminal of its own is the domain's console here; `vmm console` connects to it.
            case "pty" or "stdio" when rest.Length == 0:
                return new SerialConfig(SerialKind.Stdio);
            case "null" or "none" or "" when rest.Length == 0:
                return new SerialConfig(SerialKind.Null);
            case "file" when rest.Length != 0:
                return new SerialConfig(SerialKind.File, rest);
            case "unix" when rest.Length != 0:
                string[] parts = rest.Split(',');
                if (parts.Skip(1).FirstOrDefault(p => !SocketOptions.Contains(p)) is { } option) error = $"'{option}' is refused: a socket listens and does not wait (server,nowait)";
                return error is null ? new SerialConfig(SerialKind.Unix, parts[0]) : null;
            case "tcp" or "telnet" or "udp" or "pipe" or "vc" or "mon" or "chardev" or "websocket" or "braille" or "msmouse":
                error = $"'{kind}' is refused: pty, null, file:PATH and unix:PATH are there";
                return null;
            default:
                error = $"'{text}' is none of pty, null, file:PATH, unix:PATH";
                return null;
        }
    }
}
