using System.Net.Sockets;
using System.Text;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Debian's driver with a console and a named port, both behind sockets.</summary>
public class ConsoleTests
{
    [GuestFilesFact]
    public void Ports_ShellOnHvc0AndANamedPort_BothWork()
    {
        string room = Directory.CreateTempSubdirectory("vmm-console").FullName;
        string hvc = Path.Combine(room, "hvc0"), named = Path.Combine(room, "named"), log = Path.Combine(room, "log");
        using DebianMachine debian = new(config => config with
        {
            Console = new ConsoleConfig
            {
                Id = "console",
                Ports =
                [
                    new() { End = new(SerialKind.Unix, named), Name = "org.example.0" },
                    new() { End = new(SerialKind.Unix, hvc) { Log = log } },
                    new() { End = new(SerialKind.Null) },
                ],
            },
        });
        debian.Greet();
        debian.WaitFor("[ -c /dev/hvc1 ] && [ -c /dev/vport0p2 ]");
        Assert.Equal("org.example.0", debian.Run("cat /sys/class/virtio-ports/vport0p2/name"));

        // Nobody is at the named port yet: a reader sees the end at once.
        Assert.Equal("0", debian.Run("cat </dev/vport0p2 | wc -c"));
        debian.Run("stty raw -echo </dev/hvc0; echo from-the-guest >/dev/hvc0");
        using (Socket line = Connect(hvc))
        {
            ConsoleText text = Read(line);
            text.Expect("from-the-guest", DebianMachine.CommandPatience);
        }

        using (Socket line = Connect(named))
        {
            debian.Run("(until [ -s /tmp/line ]; do head -n 1 </dev/vport0p2 >/tmp/line; sleep 0.1; done; cat /tmp/line >/dev/vport0p2) & true");
            line.Send("hello, port\n"u8);
            Read(line).Expect("hello, port\n", DebianMachine.CommandPatience);
        }

        Assert.Equal("hello, port", debian.Run("cat /tmp/line"));
        Assert.Contains("from-the-guest", File.ReadAllText(log), StringComparison.Ordinal);

        // The shell's terminal can be the virtio console.
        debian.Console.SendLine("setsid sh -c 'stty sane </dev/hvc0; exec sh -i </dev/hvc0 >/dev/hvc0 2>&1' &");
        using (Socket line = Connect(hvc))
        {
            ConsoleText shell = Read(line);
            // What is typed before the shell is there would be thrown away by it.
            shell.Expect("guest:", DebianMachine.CommandPatience);
            Assert.Equal("42", shell.RunCommand("expr 6 '*' 7", DebianMachine.CommandPatience));
        }

        debian.Machine.ResizeConsole("console", 1, new(123, 45));
        debian.WaitFor("[ \"$(stty size </dev/hvc0)\" = '45 123' ]");
        Assert.Throws<DeviceException>(() => debian.Machine.ResizeConsole("console", 3, new(1, 1)));
        Assert.Throws<DeviceException>(() => debian.Machine.ResizeConsole("other", 0, new(1, 1)));

        debian.Machine.Stop("enough");
        debian.WaitForEnd();
        Directory.Delete(room, recursive: true);
    }

    private static Socket Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static ConsoleText Read(Socket socket)
    {
        ConsoleText text = new(words => socket.Send(Encoding.UTF8.GetBytes(words)));
        text.ReadFrom(new StreamReader(new NetworkStream(socket)));
        return text;
    }
}
