using System.Collections.Concurrent;
using Vmm.Host.Native;
using Vmm.Host.Serial;

namespace Vmm.Host.Tests.Serial;

public sealed unsafe class LoggedCharTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-host-tests").FullName;
    private readonly ConcurrentQueue<string> _reports = new();
    private readonly EpollLoop _loop;

    public LoggedCharTests() => _loop = new EpollLoop("test loop", _reports.Enqueue);

    private string Log => Path.Combine(_directory, "log");

    public void Dispose()
    {
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Output_GoesToTheLineAndIsAppendedToTheLog()
    {
        File.WriteAllText(Log, "before ");
        using (LoggedChar logged = new(new FileChar(Path.Combine(_directory, "line"), append: false, _reports.Enqueue), Log, 0, _reports.Enqueue))
        {
            for (int i = 0; i < 1000; i++) logged.Write("0123456789"u8);
        }

        string text = string.Concat(Enumerable.Repeat("0123456789", 1000));
        Assert.Equal(text, File.ReadAllText(Path.Combine(_directory, "line")));
        Assert.Equal("before " + text, File.ReadAllText(Log));
        Assert.Empty(_reports);
    }

    [Fact]
    public void Log_WithABound_RotatesOnceAndTheTwoPartsAreTheEnd()
    {
        const int Bound = 64 << 10;
        File.WriteAllText(Log, new string('a', Bound - 10));
        byte[] line = new byte[100];
        int count = 0;
        using (LoggedChar logged = new(new NullChar(), Log, Bound, _reports.Enqueue))
        {
            for (; count < 3000; count++)
            {
                System.Text.Encoding.ASCII.GetBytes($"{count,99}\n", line);
                logged.Write(line);
                if (count % 100 == 0) Thread.Sleep(2);
            }
        }

        string kept = File.ReadAllText(Log + ".1") + File.ReadAllText(Log);
        Assert.InRange(new FileInfo(Log).Length, 1, Bound);
        Assert.InRange(new FileInfo(Log + ".1").Length, Bound / 2, Bound);
        string[] lines = kept[(kept.IndexOf('\n') + 1)..].TrimEnd('\n').Split('\n');
        int first = int.Parse(lines[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(Enumerable.Range(first, count - first), lines.Select(l => int.Parse(l, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal(["line", "log", "log.1"], Directory.GetFiles(_directory).Select(Path.GetFileName).Append("line").Order());
    }

    [Fact]
    public void Log_BoundedOnNoRegularFile_IsRefusedAndNothingIsRenamed()
    {
        LinuxException refused = Assert.Throws<LinuxException>(() => new LoggedChar(new NullChar(), "/dev/null", 1 << 20, _reports.Enqueue));
        Assert.Contains("regular", refused.Message, StringComparison.Ordinal);
        Assert.Throws<LinuxException>(() => new LoggedChar(new NullChar(), Path.Combine(_directory, "absent", "log"), 0, _reports.Enqueue));
    }

    [Fact]
    public void Unix_ClientsComeAndGo_PresenceIsTold()
    {
        using UnixChar unix = new(_loop, Path.Combine(_directory, "s"), _reports.Enqueue);
        using LoggedChar logged = new(unix, Log, 0, _reports.Enqueue);
        ConcurrentQueue<bool> seen = new();
        logged.Changed += () => seen.Enqueue(unix.IsConnected);
        logged.Attach(new RecordingReceiver());
        Assert.False(logged.IsConnected);
        using (LinuxFile first = UnixListener.Connect(Path.Combine(_directory, "s")))
        {
            using LinuxFile second = UnixListener.Connect(Path.Combine(_directory, "s"));
            Assert.True(SpinWait.SpinUntil(() => logged.IsConnected, 10_000));
        }

        Assert.True(SpinWait.SpinUntil(() => !logged.IsConnected, 10_000));
        Assert.Equal([true, false], seen);
    }

    [Fact]
    public void Pty_ReaderComesLate_GetsWhatWasSentBefore()
    {
        using PtyChar pty = new(_loop);
        pty.Attach(new RecordingReceiver());
        string text = string.Concat(Enumerable.Range(0, 6000).Select(i => $"{i,8}\n")) + "the end";
        pty.Write(System.Text.Encoding.ASCII.GetBytes(text));
        _loop.Invoke(() => { });
        using LinuxFile late = LinuxFile.Open(pty.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        Assert.Equal(text, Pipe.ReadUntil(late, "the end"));
    }

    [Fact]
    public void Stdio_Terminal_HasASizeAndTellsOfANewOne()
    {
        using PtyChar pty = new(_loop);
        using LinuxFile terminal = LinuxFile.Open(pty.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        using StdioChar stdio = new(_loop, terminal, terminal, () => { }, _reports.Enqueue);
        Assert.Null(stdio.Size);
        Libc.WinSize size = new() { Columns = 101, Rows = 37 };
        // SAFETY: a local that outlives the call.
        Assert.Equal(0, Libc.Ioctl(terminal.Fd, Libc.TIOCSWINSZ, (nint)(&size)));
        Assert.Equal(new(101, 37), stdio.Size);
        int told = 0;
        stdio.Changed += () => Interlocked.Increment(ref told);
        const int SIGWINCH = 28;
        Assert.Equal(0, Libc.Kill(Libc.GetPid(), SIGWINCH));
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref told) != 0, 10_000));
    }
}
