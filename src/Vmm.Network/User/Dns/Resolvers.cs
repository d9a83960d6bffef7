using System.Net;
using System.Net.Sockets;
using Vmm.Core.Time;
using Vmm.Host.Sockets;

namespace Vmm.Network.User.Dns;

/// <summary>The host's name servers as resolv.conf(5) lists them; read again when the file changes.</summary>
internal sealed class Resolvers(string path, IClock clock)
{
    private const long LookEveryNs = 1_000_000_000;
    private const int MostServers = 3; // MAXNS of resolv.conf(5)
    private const int MostBytes = 64 * 1024;
    private const ushort DomainPort = Routes.DomainPort;

    private readonly List<InetEndPoint> _servers = [];
    private long _nextLookNs;
    private DateTime _changed;
    private bool _wasRead;
    private int _current;

    /// <summary>The name server to ask.</summary>
    public bool TryGet(out InetEndPoint server)
    {
        if (clock.NowNs >= _nextLookNs || !_wasRead) Look();
        server = _servers.Count == 0 ? default : _servers[_current % _servers.Count];
        return _servers.Count != 0;
    }

    /// <summary>Turns to the next one.</summary>
    public void Rotate() => _current = _servers.Count == 0 ? 0 : (_current + 1) % _servers.Count;

    private void Look()
    {
        _nextLookNs = clock.NowNs + LookEveryNs;
        try
        {
            // Through links, which is how resolv.conf is managed on many systems.
            DateTime changed = (File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path)).LastWriteTimeUtc;
            if (_wasRead && changed == _changed) return;
            (_changed, _wasRead) = (changed, true);
            Read();
        }
        catch (UnauthorizedAccessException) when (_servers.Count != 0)
        {
            // Another file has taken its place, and this process may not open any more: those that were there will do.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _servers.Clear();
            _wasRead = true;
            _changed = default;
        }
    }

    private void Read()
    {
        using FileStream file = File.OpenRead(path);
        _servers.Clear();
        _current = 0;
        byte[] bytes = new byte[(int)Math.Min(file.Length, MostBytes)];
        int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        foreach (string line in System.Text.Encoding.UTF8.GetString(bytes, 0, count).Split('\n'))
        {
            string[] words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || words[0] != "nameserver" || _servers.Count == MostServers) continue;
            // A scope (fe80::1%eth0) is left out: such a server needs an interface, which the socket does not name.
            if (words[1].Contains('%', StringComparison.Ordinal) || !IPAddress.TryParse(words[1], out IPAddress? address)) continue;
            if (address.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6) _servers.Add(InetEndPoint.From(address, DomainPort));
        }

        // As the C library does with an empty file.
        if (_servers.Count == 0) _servers.Add(InetEndPoint.V4(Ipv4Address.Loopback.Value, DomainPort));
    }
}
