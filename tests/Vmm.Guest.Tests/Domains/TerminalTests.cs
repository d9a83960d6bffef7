using Vmm.TestKit;

namespace Vmm.Guest.Tests.Domains;

/// <summary>What a user has on a terminal: a domain's console, and the live table.</summary>
public sealed class TerminalTests : IDisposable
{
    private const int Left = 9;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    [ExecutableFact]
    public void Top_OnATerminal_FollowsItsSizeAndPutsItBack()
    {
        _room.Run("create", "-q", _room.Config("a")).Good();
        using PtyProgram top = new(_room, 200, 24, Repository.Vmm, "top", "-d", "0.2");

        top.Text.Expect("\e[?25l", Patience);
        top.Text.Expect("vmm top", Patience);
        top.Text.Expect("VBD_WSECT", Patience);
        top.Text.Expect("r-----", Patience);
        Assert.True(top.IsRaw);
        top.Type("x");
        top.Resize(40, 3);
        string frame = "";
        for (int i = 0; i < 20 && !IsWithin(frame, 40, 3); i++)
        {
            top.Text.Expect("\e[H", Patience);
            frame = top.Text.Expect("\e[J", Patience);
        }

        Assert.True(IsWithin(frame, 40, 3), frame);
        top.Type("q");
        Assert.Equal(0, top.WaitForExit());
        // It is read on another thread, which may be behind.
        top.Text.Expect("\e[?25h\r\n", Patience);
        Assert.EndsWith("\e[?25h\r\n", top.Text.Output, StringComparison.Ordinal);
        Assert.False(top.IsRaw);
    }

    [ExecutableFact]
    public void Console_OnATerminal_PassesEveryKeyUntilTheOneThatLeaves()
    {
        _room.Run("create", "-q", _room.Config("a", code: TinyKernel.Echo)).Good();
        using PtyProgram console = new(_room, 80, 24, Repository.Vmm, "console", "a");

        console.Text.Expect("connected to 'a'; Ctrl-] leaves\r\n", Patience);
        console.Text.Expect(">", Patience);
        DomainRoom.WaitFor(() => console.IsRaw, "the terminal is raw");
        // Ctrl-C, Ctrl-Z, Ctrl-\ and Ctrl-S are the guest's.
        console.Type("abc\x03\x1a\x1c\x13");
        console.Text.Expect("abc\x03\x1a\x1c\x13", Patience);
        _room.Run("reboot", "-w", "a").Good();
        console.Text.Expect(">", Patience);
        console.Type("again\x1d");
        Assert.Equal(0, console.WaitForExit());
        Assert.False(console.IsRaw);
        Assert.Equal("r-----", _room.StateOf("a"));
    }

    [ExecutableFact]
    public void Console_OtherKeyAndPort_LeavesByThatKey()
    {
        _room.Run("create", "-q", _room.Config("a", code: TinyKernel.Echo)).Good();
        using PtyProgram console = new(_room, 80, 24, Repository.Vmm, "console", "-t", "serial", "-n", "0", "-e", "^A", "a");

        console.Text.Expect("Ctrl-A leaves\r\n", Patience);
        console.Text.Expect(">", Patience);
        DomainRoom.WaitFor(() => console.IsRaw, "the terminal is raw");
        console.Type("x\x1dy");
        console.Text.Expect("x\x1dy", Patience);
        console.Type("\x01");
        Assert.Equal(0, console.WaitForExit());
        Assert.Contains("has no console hvc0; there are: serial0", _room.Run("console", "-t", "pv", "a").Errors, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Create_InTheForegroundWithItsConsole_IsTheDomainUntilItsEnd()
    {
        using PtyProgram domain = new(_room, 80, 24, Repository.Vmm, "create", "-F", "-c", _room.Config("a", code: TinyKernel.Echo));

        domain.Text.Expect("domain 'a' is there, with id 1", Patience);
        domain.Text.Expect(">", Patience);
        DomainRoom.WaitFor(() => domain.IsRaw, "the terminal is raw");
        domain.Type("hello");
        domain.Text.Expect("hello", Patience);
        domain.Type("\x1d");
        DomainRoom.WaitFor(() => !domain.IsRaw, "the terminal is back");
        // Who has left the console is still the domain.
        Assert.Equal("r-----", _room.StateOf("a"));
        _room.Run("destroy", "a").Good();
        Assert.Equal(Left, domain.WaitForExit());
        Assert.False(Directory.Exists(_room.FolderOf(1)));
    }

    private static bool IsWithin(string frame, int columns, int rows)
    {
        string[] lines = frame.Split("\e[K\r\n", StringSplitOptions.RemoveEmptyEntries);
        return lines.Length > 0 && lines.Length < rows && lines.All(l => l.Length <= columns);
    }
}
