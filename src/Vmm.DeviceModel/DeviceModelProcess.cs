using System.Text;
using Vmm.DeviceModel.Control;
using Vmm.Host;
using Vmm.Host.Processes;

namespace Vmm.DeviceModel;

/// <summary>
/// A process that serves a guest's devices, from its start to its end: <c>vmm device-model</c> with a control channel handed down. It ends when
/// the channel does, and so with this process, however that ends. It has no terminal; what it writes comes out of here as lines.
/// </summary>
public sealed class DeviceModelProcess : IDisposable
{
    // By this link it is the same program, also when the file was replaced since.
    private const string Self = "/proc/self/exe";
    private const int MostLines = 100, MostLineBytes = 1000;

    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    private readonly ChildProcess _process;
    private readonly LinuxFile _output;
    private readonly EpollRegistration _watch;
    private readonly Action<string> _note;
    private readonly List<byte> _line = [];
    private int _lines;

    /// <summary>Starts it.</summary>
    /// <param name="executable">The path of vmm; null for what runs now.</param>
    /// <param name="loop">Where its output is watched.</param>
    /// <param name="note">Takes what it writes to standard error, a bounded number of lines.</param>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public DeviceModelProcess(string? executable, EpollLoop loop, Action<string> note)
    {
        _note = note;
        (UnixChannel ours, UnixChannel theirs) = UnixChannel.Pair();
        (_output, LinuxFile output) = LinuxFile.Pipe();
        try
        {
            using (theirs)
            using (output)
            {
                _process = new ChildProcess(executable ?? Self, ["vmm", "device-model", "--control", $"{theirs.Fd}"], [theirs.Fd], output);
            }

            _output.SetNonBlocking(true);
            _watch = loop.Add(_output.Fd, EpollEvents.Readable, _ => ReadOutput());
            Channel = new ControlChannel(ours);
        }
        catch
        {
            ours.Dispose();
            _process?.Dispose();
            _output.Dispose();
            throw;
        }
    }

    /// <summary>Its number.</summary>
    public int Id => _process.Id;

    /// <summary>The way to it.</summary>
    public ControlChannel Channel { get; }

    /// <summary>Ends it at once. Any thread.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Waits for its end, which has begun; ends it when that takes too long.</summary>
    /// <returns>How it ended.</returns>
    public string WaitForEnd()
    {
        _process.WaitOrKill(EndPatience);
        return _process.End ?? "nobody knows how";
    }

    /// <summary>Ends it in order: it flushes what it has. Nobody uses the channel any more.</summary>
    public void Dispose()
    {
        Channel.Shutdown();
        _process.WaitOrKill(EndPatience);
        _watch.Dispose();
        Channel.Dispose();
        _output.Dispose();
    }

    // On the loop's thread.
    private void ReadOutput()
    {
        Span<byte> bytes = stackalloc byte[MostLineBytes];
        int count;
        try
        {
            count = _output.Read(bytes);
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            count = 0;
        }

        if (count == 0) _watch.Dispose();
        foreach (byte one in bytes[..Math.Max(count, 0)])
        {
            if (one != '\n' && _line.Count < MostLineBytes) _line.Add(one);
            if (one == '\n') EndLine();
        }

        if (count == 0 && _line.Count != 0) EndLine();
    }

    private void EndLine()
    {
        string line = Encoding.UTF8.GetString([.. _line]);
        _line.Clear();
        if (++_lines <= MostLines) _note($"{line}{(_lines == MostLines ? " (more is not shown)" : "")}");
        else _lines = MostLines;
    }
}
