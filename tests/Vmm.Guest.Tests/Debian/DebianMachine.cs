using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>A Debian kernel with the small initial RAM disk, in a machine inside this process; its COM1 is a socket.</summary>
internal sealed class DebianMachine : IDisposable
{
    public static readonly TimeSpan BootPatience = TimeSpan.FromSeconds(300);
    public static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(120);

    private readonly EpollLoop _loop;
    private readonly Task<MachineOutcome> _run;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public DebianMachine(Func<MachineConfig, MachineConfig>? change = null)
    {
        string com1 = Path.Combine(Room, "com1");
        _loop = new EpollLoop("test loop", Notes.Enqueue);
        MachineConfig config = new()
        {
            Accel = Accelerator.Software,
            Boot = new BootConfig { Kernel = Repository.Guest("vmlinux"), Initrd = Repository.Guest("initrd.img") },
            Serial = [new SerialConfig(SerialKind.Unix, com1)],
        };
        Machine = new GuestMachine(change?.Invoke(config) ?? config, new MachineHost(_loop, Notes.Enqueue, () => { }) { Executable = Repository.Vmm });
        _run = Task.Factory.StartNew(Machine.Run, TaskCreationOptions.LongRunning);
        _socket.Connect(new UnixDomainSocketEndPoint(com1));
        Console = new ConsoleText(text => _socket.Send(Encoding.UTF8.GetBytes(text))) { Hint = () => "\nnotes: " + string.Join('\n', Notes) };
        Console.ReadFrom(new StreamReader(new NetworkStream(_socket)));
    }

    /// <summary>A directory for files of the test.</summary>
    public string Room { get; } = Directory.CreateTempSubdirectory("vmm-debian").FullName;

    public GuestMachine Machine { get; }

    public ConsoleText Console { get; }

    public ConcurrentQueue<string> Notes { get; } = new();

    /// <summary>Waits for the shell.</summary>
    public void Greet()
    {
        Console.Expect("This is a busybox shell", BootPatience);
        Console.Expect("guest:", BootPatience);
        // The kernel's own lines would come between what commands write.
        Run("dmesg -n 1");
    }

    public string Run(string command) => Console.RunCommand(command, CommandPatience);

    /// <summary>Waits until the guest sees something to be so.</summary>
    public void WaitFor(string test)
    {
        if (Run($"for i in $(seq 200); do if {test}; then echo it-is-so; break; fi; sleep 0.1; done").Contains("it-is-so", StringComparison.Ordinal)) return;
        Assert.Fail($"it is never so that {test}:\n{Run("ls -C /dev; stty size </dev/hvc0; dmesg | tail -n 20")}");
    }

    public MachineOutcome WaitForEnd()
    {
        Assert.True(_run.Wait(CommandPatience), "the machine does not end");
        return _run.Result;
    }

    public void Dispose()
    {
        Machine.Stop("the test is over");
        _run.Wait(CommandPatience);
        Machine.Dispose();
        _socket.Dispose();
        _loop.Dispose();
        Directory.Delete(Room, recursive: true);
    }
}
