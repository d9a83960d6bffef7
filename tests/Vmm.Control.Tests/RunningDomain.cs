using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Iced.Intel;
using Vmm.Control.Domains;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Control.Tests;

/// <summary>A domain with a tiny kernel on the software CPU, running on a thread of its own.</summary>
internal sealed class RunningDomain : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-domain").FullName;
    private readonly Task<MachineOutcome> _run;

    public RunningDomain(Action<Assembler> code, Func<DomainConfig, DomainConfig>? change = null, DomainHostOptions? options = null)
    {
        string kernel = Path.Combine(_directory, "kernel");
        TinyKernel.WritePvh(kernel, code);
        DomainConfig config = new()
        {
            Name = "tiny",
            Uuid = Guid.NewGuid(),
            Machine = new MachineConfig { Accel = Accelerator.Software, MemoryBytes = 16 << 20, Boot = new BootConfig { Kernel = kernel } },
        };
        Registry = new DomainRegistry(Path.Combine(_directory, "run"));
        Host = new DomainHost(change?.Invoke(config) ?? config, Registry, Log.Enqueue, options);
        _run = Task.Factory.StartNew(Host.Run, TaskCreationOptions.LongRunning);
    }

    public DomainRegistry Registry { get; }

    public DomainHost Host { get; }

    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>A kernel that goes round for ever.</summary>
    public static void Spin(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.jmp(loop);
    }

    /// <summary>A kernel that resets the machine at once.</summary>
    public static void Reset(Assembler a)
    {
        a.mov(AssemblerRegisters.dx, 0xcf9);
        a.mov(AssemblerRegisters.al, 6);
        a.@out(AssemblerRegisters.dx, AssemblerRegisters.al);
        Spin(a);
    }

    public MachineOutcome WaitForEnd()
    {
        Assert.True(_run.Wait(Patience), "the domain does not end");
        return _run.Result;
    }

    /// <summary>Says something on the socket, byte for byte, and reads what comes back until a line's end or the connection's.</summary>
    public string Say(string text)
    {
        using Socket socket = Connect();
        socket.Send(Encoding.UTF8.GetBytes(text));
        return ReadLine(socket);
    }

    public Socket Connect()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)Patience.TotalMilliseconds };
        socket.Connect(new UnixDomainSocketEndPoint(Host.Folder.Socket));
        return socket;
    }

    public static string ReadLine(Socket socket)
    {
        List<byte> line = [];
        byte[] one = new byte[1];
        try
        {
            while (socket.Receive(one) == 1 && one[0] != '\n') line.Add(one[0]);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // The server has ended it.
        }

        return Encoding.UTF8.GetString([.. line]);
    }

    public void Dispose()
    {
        Host.Destroy("the test is over");
        _run.Wait(Patience);
        Host.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
