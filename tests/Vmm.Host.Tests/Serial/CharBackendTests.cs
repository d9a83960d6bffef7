using System.Collections.Concurrent;
using Vmm.Host.Native;
using Vmm.Host.Serial;

namespace Vmm.Host.Tests.Serial;

public sealed unsafe class CharBackendTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-host-tests").FullName;
    private readonly ConcurrentQueue<string> _reports = new();
    private readonly EpollLoop _loop;

    public CharBackendTests() => _loop = new EpollLoop("test loop", _reports.Enqueue);

    public void Dispose()
    {
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void File_Truncate_HoldsWhatWasWrittenOnly()
    {
        string path = Path.Combine(_directory, "out");
        File.WriteAllText(path, "before");
        using (FileChar file = new(path, append: false, _reports.Enqueue)) file.Write("after"u8);

        Assert.Equal("after", File.ReadAllText(path));
    }

    [Fact]
    public void File_Append_KeepsWhatWasThere()
    {
        string path = Path.Combine(_directory, "out");
        File.WriteAllText(path, "before ");
        using (FileChar file = new(path, append: true, _reports.Enqueue)) file.Write("after"u8);

        Assert.Equal("before after", File.ReadAllText(path));
    }

    [Fact]
    public void File_FifoWithoutReader_IsAnErrorNotAWait()
    {
        string path = Path.Combine(_directory, "fifo");
        using (System.Diagnostics.Process make = System.Diagnostics.Process.Start("mkfifo", path)) make.WaitForExit();

        LinuxException error = Assert.Throws<LinuxException>(() => new FileChar(path, append: false, _reports.Enqueue));
        Assert.Equal(Errno.ENXIO, error.Error);
    }

    [Fact]
    public void Stdio_PipeNobodyReads_NeverBlocksAndSaysOnceThatBytesAreDropped()
    {
        (LinuxFile read, LinuxFile write) = Pipe.Create(_directory);
        using LinuxFile input = LinuxFile.Open("/dev/null", Libc.O_RDONLY);
        StdioChar stdio = new(_loop, input, write, () => { }, _reports.Enqueue);
        byte[] block = new byte[64 * 1024];
        long start = Environment.TickCount64;
        for (int i = 0; i < 32; i++) stdio.Write(block);
        Assert.InRange(Environment.TickCount64 - start, 0, 5000);

        // Only when the pipe moves again does the writer see how much has gone.
        string seen = Pipe.ReadUntil(read, "never", quietMs: 500);
        SpinWait.SpinUntil(() => stdio.DroppedBytes != 0, 5000);
        Assert.Equal(32L * block.Length, seen.Length + stdio.DroppedBytes);
        Assert.Contains("dropped", Assert.Single(_reports), StringComparison.Ordinal);
        stdio.Dispose();
        read.Dispose();
        write.Dispose();
    }

    [Fact]
    public void Stdio_ReaderGone_IsReportedOnceAndWriteGoesOn()
    {
        (LinuxFile read, LinuxFile write) = Pipe.Create(_directory);
        using LinuxFile input = LinuxFile.Open("/dev/null", Libc.O_RDONLY);
        using StdioChar stdio = new(_loop, input, write, () => { }, _reports.Enqueue);
        read.Dispose();
        stdio.Write("x"u8);
        Assert.True(SpinWait.SpinUntil(() => !_reports.IsEmpty, 5000));
        for (int i = 0; i < 1000; i++) stdio.Write("more"u8);

        Assert.Single(_reports);
        write.Dispose();
    }

    [Fact]
    public void Stdio_InputFromFile_ReachesAReceiverThatTakesLittleAtATime()
    {
        string path = Path.Combine(_directory, "in");
        string text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"line {i}\n")) + "end";
        File.WriteAllText(path, text);
        using LinuxFile input = LinuxFile.Open(path, Libc.O_RDONLY);
        using LinuxFile output = LinuxFile.Open("/dev/null", Libc.O_WRONLY);
        using StdioChar stdio = new(_loop, input, output, () => { }, _reports.Enqueue);
        RecordingReceiver receiver = new() { Room = 16 };
        stdio.Attach(receiver);
        for (int i = 0; i < 2000 && receiver.Text.Length < text.Length; i++)
        {
            _loop.Invoke(() => { });
            receiver.Room = 16;
            stdio.ReceiverReady();
        }

        Assert.True(receiver.WaitFor("end"));
        Assert.Equal(text, receiver.Text);
    }

    [Fact]
    public void Stdio_CtrlBracketOnTerminal_LeavesAndPassesWhatCameBefore()
    {
        using PtyChar outer = new(_loop);
        using LinuxFile terminal = LinuxFile.Open(outer.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        RecordingReceiver screen = new();
        outer.Attach(screen);
        using ManualResetEventSlim left = new();
        using StdioChar stdio = new(_loop, terminal, terminal, left.Set, _reports.Enqueue);
        Assert.NotNull(stdio.Terminal);
        RecordingReceiver guest = new();
        stdio.Attach(guest);
        outer.Write("ab\u001dcd"u8);

        Assert.True(left.Wait(10_000));
        _loop.Invoke(() => { });
        Assert.Equal("ab", guest.Text);
        stdio.Write("hello"u8);
        Assert.True(screen.WaitFor("hello"));
    }

    [Fact]
    public void Stdio_DisposedAfterItWasAttached_TerminalIsAsBefore()
    {
        using PtyChar outer = new(_loop);
        using LinuxFile terminal = LinuxFile.Open(outer.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        Libc.Termios before, after;
        Assert.Equal(0, Libc.TcGetAttr(terminal.Fd, &before));
        before.LocalFlags |= 0b1000_1011; // ISIG, ICANON, ECHO
        Assert.Equal(0, Libc.TcSetAttr(terminal.Fd, Libc.TCSANOW, &before));
        StdioChar stdio = new(_loop, terminal, terminal, () => { }, _reports.Enqueue);
        stdio.Attach(new RecordingReceiver());
        stdio.Dispose();

        Assert.Equal(0, Libc.TcGetAttr(terminal.Fd, &after));
        Assert.Equal(before.LocalFlags, after.LocalFlags);
    }

    [Fact]
    public void Terminal_RawThenDisposed_IsAsBefore()
    {
        using PtyChar pty = new(_loop);
        using LinuxFile slave = LinuxFile.Open(pty.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        Libc.Termios cooked;
        Assert.Equal(0, Libc.TcGetAttr(slave.Fd, &cooked));
        cooked.LocalFlags |= 0b1000_1011; // ISIG, ICANON, ECHO
        Assert.Equal(0, Libc.TcSetAttr(slave.Fd, Libc.TCSANOW, &cooked));
        Libc.Termios raw, after;
        using (Terminal terminal = Terminal.TryEnterRaw(slave.Fd)!)
        {
            Assert.True(terminal.IsRaw);
            Assert.Equal(0, Libc.TcGetAttr(slave.Fd, &raw));
            Assert.Equal(0u, raw.LocalFlags & 0b1011);
        }

        Assert.Equal(0, Libc.TcGetAttr(slave.Fd, &after));
        Assert.Equal(cooked.LocalFlags, after.LocalFlags);
        Assert.Equal(cooked.OutputFlags, after.OutputFlags);
    }

    [Fact]
    public void Pty_ReaderOpensClosesAndOpensAgain_LineGoesOn()
    {
        using PtyChar pty = new(_loop);
        RecordingReceiver guest = new();
        pty.Attach(guest);
        pty.Write("early "u8);
        using (LinuxFile first = LinuxFile.Open(pty.Path, Libc.O_RDWR | Libc.O_NOCTTY))
        {
            Assert.Equal("early ", Pipe.ReadUntil(first, "early "));
            first.Write("one"u8);
            Assert.True(guest.WaitFor("one"));
        }

        pty.Write("between "u8);
        using LinuxFile second = LinuxFile.Open(pty.Path, Libc.O_RDWR | Libc.O_NOCTTY);
        Assert.Equal("between ", Pipe.ReadUntil(second, "between "));
        second.Write("two"u8);
        Assert.True(guest.WaitFor("onetwo"));
    }

    [Fact]
    public void Unix_LateClient_GetsTheKeptOutputFirst()
    {
        string path = Path.Combine(_directory, "s");
        using UnixChar unix = new(_loop, path, _reports.Enqueue);
        unix.Attach(new RecordingReceiver());
        unix.Write("early "u8);
        using LinuxFile client = UnixListener.Connect(path);
        Assert.Equal("early ", Pipe.ReadUntil(client, "early "));
        unix.Write("late"u8);

        Assert.Equal("late", Pipe.ReadUntil(client, "late"));
    }

    [Fact]
    public void Unix_ClientSendsAndCloses_AllOfItReachesASlowReceiver()
    {
        string path = Path.Combine(_directory, "s");
        using UnixChar unix = new(_loop, path, _reports.Enqueue);
        RecordingReceiver guest = new() { Room = 4 };
        unix.Attach(guest);
        string text = string.Concat(Enumerable.Range(0, 600).Select(i => $"{i},")) + "end";
        using (LinuxFile client = UnixListener.Connect(path)) client.Write(System.Text.Encoding.ASCII.GetBytes(text));
        for (int i = 0; i < 5000 && guest.Text.Length < text.Length; i++)
        {
            _loop.Invoke(() => { });
            guest.Room = 4;
            unix.ReceiverReady();
        }

        Assert.True(guest.WaitFor("end"));
        Assert.Equal(text, guest.Text);
    }

    [Fact]
    public void Unix_ClientDoesNotRead_OthersLoseNothing()
    {
        string path = Path.Combine(_directory, "s");
        using UnixChar unix = new(_loop, path, _reports.Enqueue);
        unix.Attach(new RecordingReceiver());
        using LinuxFile lazy = UnixListener.Connect(path);
        using LinuxFile eager = UnixListener.Connect(path);
        byte[] block = new byte[16 * 1024];
        long total = 0;
        byte[] sink = new byte[64 * 1024];
        for (int i = 0; i < 100; i++)
        {
            unix.Write(block);
            long end = Environment.TickCount64 + 10_000;
            for (long got = 0; got < block.Length && Environment.TickCount64 < end;)
            {
                int count = eager.Read(sink);
                if (count > 0) got += count;
                total += Math.Max(0, count);
            }
        }

        Assert.Equal(100L * block.Length, total);
        long dropped = 0;
        string seen = Pipe.ReadUntil(lazy, "never", quietMs: 500);
        _loop.Invoke(() => dropped = unix.DroppedBytes);
        Assert.Equal(100L * block.Length, seen.Length + dropped);
    }

    [Fact]
    public void Unix_PathTaken_IsRefused()
    {
        string path = Path.Combine(_directory, "s");
        using (UnixChar first = new(_loop, path, _reports.Enqueue))
        {
            Assert.Equal(Errno.EADDRINUSE, Assert.Throws<LinuxException>(() => new UnixChar(_loop, path, _reports.Enqueue)).Error);
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Unix_PathAbandoned_IsReplaced()
    {
        string path = Path.Combine(_directory, "abandoned");
        using (UnixListener first = new(Path.Combine(_directory, "s"))) File.Move(first.Path, path);
        using UnixChar second = new(_loop, path, _reports.Enqueue);
        second.Attach(new RecordingReceiver());
        second.Write("x"u8);
        using LinuxFile client = UnixListener.Connect(path);
        Assert.Equal("x", Pipe.ReadUntil(client, "x"));
    }

    [Fact]
    public void Unix_PathTooLong_IsOneClearLine()
    {
        LinuxException error = Assert.Throws<LinuxException>(() => new UnixChar(_loop, "/tmp/" + new string('x', 200), _reports.Enqueue));
        Assert.Contains("longer than", error.Message, StringComparison.Ordinal);
    }
}
