using System.Diagnostics;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>A whole Debian on the software CPU, from the root file system that <c>examples/guests.sh --debian</c> makes.</summary>
internal sealed class DebianSystem : IDisposable
{
    // A boot takes 15 s alone; other tests may have the machine, too.
    private static readonly TimeSpan BootPatience = TimeSpan.FromSeconds(400);
    private static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(240);

    private readonly GuestConsole _console;

    /// <summary>Starts it with further options of <c>vmm run</c>; the disk is among them.</summary>
    public DebianSystem(params IEnumerable<string> options)
        => _console = new(Repository.Vmm, ["run", "--accel", "software", "--kernel", Repository.Guest("vmlinux"), "--initrd", Repository.Guest("debian.initrd.img"),
            "--append", "console=ttyS0 root=/dev/vda rw quiet", .. options]);

    /// <summary>Its process.</summary>
    public Process Process => _console.Process;

    /// <summary>Waits for the login prompt and logs in.</summary>
    public void LogIn()
    {
        _console.Expect("debian login: ", BootPatience);
        _console.SendLine("root");
        _console.Expect("Password: ", CommandPatience);
        _console.SendLine("vmm");
        _console.Expect("root@debian:~# ", CommandPatience);
    }

    /// <summary>Runs a command in the shell.</summary>
    /// <returns>Its output.</returns>
    public string Run(string command) => _console.RunCommand(command, CommandPatience);

    /// <summary>Shuts the system down and waits for the end of the machine.</summary>
    public void PowerOff()
    {
        _console.SendLine("poweroff");
        Assert.Equal(0, _console.WaitForExit(BootPatience));
        Assert.Contains("powered off", _console.Errors, StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public void Dispose() => _console.Dispose();
}
