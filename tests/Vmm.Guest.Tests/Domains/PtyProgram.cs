using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vmm.Host.Native;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>A program on a terminal of its own, which a test types on and looks at.</summary>
internal sealed unsafe class PtyProgram : IDisposable
{
    private const int PathBytes = 64;

    private readonly FileStream _master;
    private readonly Process _process;
    private readonly string _path;

    /// <param name="room">Whose domains it sees.</param>
    /// <param name="columns">The window's width.</param>
    /// <param name="rows">Its height.</param>
    /// <param name="command">The program and its arguments.</param>
    public PtyProgram(DomainRoom room, int columns, int rows, params string[] command)
    {
        SafeFileHandle master = new(Libc.PosixOpenPt(Libc.O_RDWR | Libc.O_NOCTTY | Libc.O_CLOEXEC), ownsHandle: true);
        int fd = (int)master.DangerousGetHandle();
        byte* path = stackalloc byte[PathBytes];
        Assert.True(Libc.GrantPt(fd) == 0 && Libc.UnlockPt(fd) == 0 && Libc.PtsName(fd, path, PathBytes) == 0, "there is no pseudo-terminal");
        _path = Encoding.ASCII.GetString(path, new ReadOnlySpan<byte>(path, PathBytes).IndexOf((byte)0));
        _master = new FileStream(master, FileAccess.ReadWrite, bufferSize: 0);
        Resize(columns, rows);
        Text = new ConsoleText(Type);
        // The controlling terminal, so that it hears of the window's size.
        _process = Process.Start(room.Start("sh", ["-c", "exec setsid --ctty --wait \"$@\" <\"$0\" >\"$0\" 2>&1", _path, .. command]))!;
        // What is read before the program has opened its end would be an end.
        Text.ReadFrom(new StreamReader(new PatientStream(_master, () => _process.HasExited), Encoding.UTF8));
    }

    /// <summary>What it shows.</summary>
    public ConsoleText Text { get; }

    /// <summary>Whether keys come one by one and without an echo.</summary>
    public bool IsRaw
    {
        get
        {
            using Process stty = Process.Start(new ProcessStartInfo("stty", ["-F", _path, "-a"]) { RedirectStandardOutput = true })!;
            string words = stty.StandardOutput.ReadToEnd();
            return words.Contains("-icanon", StringComparison.Ordinal) && words.Contains("-echo ", StringComparison.Ordinal);
        }
    }

    /// <summary>Types.</summary>
    public void Type(string text) => _master.Write(Encoding.UTF8.GetBytes(text));

    /// <summary>Changes the window's size.</summary>
    public void Resize(int columns, int rows)
    {
        Libc.WinSize size = new() { Columns = (ushort)columns, Rows = (ushort)rows };
        // SAFETY: a local that outlives the call.
        Assert.Equal(0, Libc.Ioctl((int)_master.SafeFileHandle.DangerousGetHandle(), Libc.TIOCSWINSZ, (nint)(&size)));
    }

    /// <summary>Waits for the end of the program.</summary>
    /// <returns>Its exit code.</returns>
    public int WaitForExit()
    {
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(60)), $"it does not end; it showed {Text.Output}");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
        _master.Dispose();
    }

    /// <summary>A terminal's other end gives an error while nobody has the terminal open.</summary>
    private sealed class PatientStream(Stream inner, Func<bool> isOver) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            while (true)
            {
                try
                {
                    return inner.Read(buffer, offset, count);
                }
                catch (IOException) when (!isOver())
                {
                    Thread.Sleep(10);
                }
            }
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
