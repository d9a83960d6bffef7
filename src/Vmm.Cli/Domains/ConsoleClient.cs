using System.Net.Sockets;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Host;

namespace Vmm.Cli.Domains;

/// <summary>This terminal as a domain's console, until the user leaves or the domain ends. It stays through restarts of the guest.</summary>
internal sealed class ConsoleClient
{
    /// <summary>Makes a letter its control character.</summary>
    public const int ControlMask = 0x1f;

    /// <summary>Ctrl-], which leaves where nothing else was said.</summary>
    public const byte CtrlBracket = 0x1d;

    private const int BufferBytes = 4096;

    // A guest that is started anew has its console back after this at the latest.
    private static readonly TimeSpan ReturnPatience = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly string _path;
    private readonly DomainFolder _folder;
    private readonly string _name;
    private readonly byte _escape;
    private Socket? _socket;
    private volatile bool _hasLeft;

    private ConsoleClient(DomainFolder folder, ConsoleEntry console, string path, byte escape) => (_folder, _name, _path, _escape) = (folder, console.Name, path, escape);

    /// <summary>Connects and stays.</summary>
    /// <param name="folder">The domain.</param>
    /// <param name="name">The console's name in <c>console.list</c>; null for the guest's own.</param>
    /// <param name="escape">What leaves.</param>
    /// <exception cref="DomainException">There is no such console.</exception>
    public static int Run(DomainFolder folder, string? name, byte escape)
    {
        IReadOnlyList<ConsoleEntry> all = DomainVerb.Ask(folder, (d, cancellation) => d.GetConsolesAsync(cancellation));
        ConsoleEntry console = all.FirstOrDefault(c => name is null ? c.IsDefault : c.Name == name)
            ?? throw new DomainException($"domain '{DomainVerb.NameOf(folder)}' has no console {name}; there are: {string.Join(", ", all.Select(c => c.Name))}");
        ConsoleClient client = new(folder, console, console.Path ?? "", escape);
        Socket first = client.TryConnect() ?? throw new DomainException($"domain '{DomainVerb.NameOf(folder)}': {console.Name} {(console.Path is { } path ? $"is at {path} and cannot be connected to" : "leads nowhere")}");
        using (Terminal? terminal = Terminal.TryEnterRaw(0))
        {
            if (terminal is not null)
            {
                StandardError.Note($"connected to '{DomainVerb.NameOf(folder)}'; Ctrl-{(char)(escape | '@')} leaves");
                terminal.Resized += () => client.TellSize(terminal);
                client.TellSize(terminal);
            }

            new Thread(client.ReadInput) { IsBackground = true, Name = "input" }.Start();
            client.Show(first);
        }

        return (int)ExitCode.Ok;
    }

    /// <summary>A virtio console has a size, which the guest follows; a serial port has none.</summary>
    private void TellSize(Terminal terminal)
    {
        if (_name.StartsWith("serial", StringComparison.Ordinal) || terminal.Size is not { } size) return;
        try
        {
            DomainVerb.Tell(_folder, (d, cancellation) => d.ResizeConsoleAsync(size.Columns, size.Rows, _name, cancellation));
        }
        catch (Exception e) when (e is DomainException or DomainRefusedException)
        {
            // The guest is between two lives, or its device is not up: the next change comes through.
        }
    }

    private Socket? TryConnect()
    {
        if (_path.Length == 0) return null;
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_path));
            lock (_gate) _socket = socket;
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private void Show(Socket first)
    {
        LinuxFile output = LinuxFile.Standard(1);
        byte[] buffer = new byte[BufferBytes];
        for (Socket? socket = first; socket is not null; socket = Return())
        {
            using (socket)
            {
                int count;
                while ((count = Receive(socket, buffer)) > 0) WriteAll(output, buffer.AsSpan(0, count));
            }
        }
    }

    /// <summary>The connection is gone: the user has left, the domain ends, or the guest is started anew.</summary>
    private Socket? Return()
    {
        Socket? next = null;
        DomainWait.For(() => _hasLeft || !_folder.IsAlive || (next = TryConnect()) is not null, ReturnPatience);
        return next;
    }

    private static int Receive(Socket socket, byte[] buffer)
    {
        try
        {
            return socket.Receive(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    private static void WriteAll(LinuxFile output, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            int count = output.Write(data);
            if (count < 0) Thread.Sleep(1);
            else data = data[count..];
        }
    }

    // At the end of the input the output is shown on: `vmm console x </dev/null` follows a domain.
    private void ReadInput()
    {
        LinuxFile input = LinuxFile.Standard(0);
        byte[] buffer = new byte[BufferBytes];
        while (true)
        {
            int count = ReadSome(input, buffer);
            if (count <= 0) return;
            int at = buffer.AsSpan(0, count).IndexOf(_escape);
            Send(buffer.AsSpan(0, at < 0 ? count : at));
            if (at < 0) continue;
            _hasLeft = true;
            lock (_gate) _socket?.Dispose();
            return;
        }
    }

    private static int ReadSome(LinuxFile input, byte[] buffer)
    {
        try
        {
            return input.Read(buffer);
        }
        catch (LinuxException)
        {
            return 0; // the terminal is gone
        }
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        Socket? socket;
        lock (_gate) socket = _socket;
        try
        {
            if (!data.IsEmpty) socket?.Send(data);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Typed into a guest that is going.
        }
    }
}
