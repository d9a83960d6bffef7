using System.Collections.Concurrent;
using System.Text;
using Iced.Intel;
using StreamJsonRpc;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Machine.Config;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Control.Tests.Domains;

public class DomainConsoleTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Attach_LateClient_GetsWhatWasWrittenAndWhatFollows()
    {
        using RunningDomain domain = new(TinyKernel.Echo);
        using DomainClient client = new(domain.Host.Folder);
        using Output output = new(client);
        Assert.Equal(("serial0", true), await client.Domain.AttachConsoleAsync() is var entry ? (entry.Name, entry.IsDefault) : default);

        Assert.Equal(2, await client.Domain.WriteConsoleAsync("ab"u8.ToArray()));

        output.WaitFor(">ab");
    }

    [Fact]
    public async Task Attach_TwoClientsAndTheSocket_AllSeeTheSame()
    {
        using RunningDomain domain = new(TinyKernel.Echo);
        using DomainClient one = new(domain.Host.Folder), two = new(domain.Host.Folder);
        using Output first = new(one), second = new(two);
        using System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0);
        await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(domain.Host.Folder.Console));
        await one.Domain.AttachConsoleAsync("serial0");
        await two.Domain.AttachConsoleAsync("serial0");

        await one.Domain.WriteConsoleAsync("x"u8.ToArray());
        first.WaitFor(">x");
        await socket.SendAsync("y"u8.ToArray());
        first.WaitFor(">xy");

        second.WaitFor(">xy");
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText(domain.Host.Folder.ConsoleLog) == ">xy", Patience));
    }

    [Fact]
    public async Task Detach_Client_HearsNoMore()
    {
        using RunningDomain domain = new(TinyKernel.Echo);
        using DomainClient client = new(domain.Host.Folder), other = new(domain.Host.Folder);
        using Output output = new(client), others = new(other);
        await client.Domain.AttachConsoleAsync();
        await other.Domain.AttachConsoleAsync();
        output.WaitFor(">");

        await client.Domain.DetachConsoleAsync();
        await other.Domain.WriteConsoleAsync("z"u8.ToArray());
        others.WaitFor(">z");
        await client.Domain.GetInfoAsync(default);

        Assert.Equal(">", output.Text);
    }

    [Fact]
    public async Task Attach_GuestThatFloods_GoesOnWhateverTheClientDoes()
    {
        using RunningDomain domain = new(a =>
        {
            a.mov(dx, 0x3f8);
            Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.mov(al, (sbyte)'f');
            a.@out(dx, al);
            a.jmp(loop);
        });
        using System.Net.Sockets.Socket deaf = domain.Connect();
        deaf.Send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"console.attach\"}\n"u8);
        using DomainClient client = new(domain.Host.Folder);
        long lost = 0, got = 0;
        client.OutputReceived += (_, data, missing) =>
        {
            lost += missing;
            got += data.Length;
            Thread.Sleep(5);
        };
        await client.Domain.AttachConsoleAsync();

        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref lost) > 0, Patience), "nothing is lost");
        Assert.NotEqual(0, Volatile.Read(ref got));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: false), 0, 256 << 20);
    }

    [Fact]
    public async Task Sysrq_SerialConsole_IsABreakAndTheKey()
    {
        using RunningDomain domain = new(a =>
        {
            Label loop = a.CreateLabel(), noBreak = a.CreateLabel();
            a.Label(ref loop);
            a.mov(dx, 0x3fd);
            a.@in(al, dx);
            a.test(al, 1);
            a.je(loop);
            a.mov(ah, al);
            a.mov(dx, 0x3f8);
            a.@in(al, dx);
            a.test(ah, 0x10);
            a.je(noBreak);
            a.mov(al, (sbyte)'B');
            a.Label(ref noBreak);
            a.@out(dx, al);
            a.jmp(loop);
        });
        using DomainClient client = new(domain.Host.Folder);
        using Output output = new(client);
        await client.Domain.AttachConsoleAsync();

        await client.Domain.SendSysrqAsync("h", default);

        output.WaitFor("Bh");
    }

    [Fact]
    public async Task Consoles_SerialAndVirtio_AreNamedAsLinuxDoes()
    {
        ConsoleConfig virtio = new() { Id = "console", Ports = [ConsolePortConfig.Parse(0, "null,name=agent", []), ConsolePortConfig.Parse(1, "stdio", [])] };
        using RunningDomain domain = new(RunningDomain.Spin, c => c with
        {
            Machine = c.Machine with { Boot = c.Machine.Boot with { CommandLine = "console=ttyS0 console=hvc0,115200 quiet" }, Console = virtio },
        });
        using DomainClient client = new(domain.Host.Folder);

        IReadOnlyList<ConsoleEntry> consoles = await client.Domain.GetConsolesAsync(default);

        Assert.Equal([new("serial0", false, domain.Host.Folder.Console), new("hvc0", true, Path.Combine(domain.Host.Folder.Path, "hvc1")), new("port.agent", false, null)], consoles);
        await client.Domain.ResizeConsoleAsync(100, 30);
        RemoteInvocationException e = await Assert.ThrowsAsync<RemoteInvocationException>(() => client.Domain.ResizeConsoleAsync(100, 30, "serial0"));
        Assert.Equal((int)RpcErrorCode.WrongState, e.ErrorCode);
    }

    [Fact]
    public async Task Write_GuestThatDoesNotRead_EndsWhenTheCallerWantsNoMore()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);
        using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(200));

        int taken = await client.Domain.WriteConsoleAsync(new byte[100], cancellation: soon.Token).WaitAsync(TimeSpan.FromSeconds(8));

        Assert.InRange(taken, 0, 16);
    }

    [Theory]
    [InlineData("", "serial0")]
    [InlineData("console=tty0", "serial0")]
    [InlineData("console=hvc0 console=ttyS1,9600n8", "serial1")]
    [InlineData("console=ttyS0 console=hvc1", "hvc1")]
    public void NameFor_CommandLine_IsTheLastOneNamed(string commandLine, string expected) => Assert.Equal(expected, DomainConsoles.NameFor(commandLine));

    private sealed class Output : IDisposable
    {
        private readonly BlockingCollection<string> _news = [];
        private readonly StringBuilder _text = new();

        public Output(DomainClient client) => client.OutputReceived += (_, data, _) => _news.Add(Encoding.ASCII.GetString(data));

        public string Text
        {
            get
            {
                while (_news.TryTake(out string? more)) _text.Append(more);
                return _text.ToString();
            }
        }

        public void WaitFor(string text)
        {
            while (!_text.ToString().Contains(text, StringComparison.Ordinal))
            {
                Assert.True(_news.TryTake(out string? more, Patience), $"'{text}' does not come, but '{_text}'");
                _text.Append(more);
            }
        }

        public void Dispose() => _news.Dispose();
    }
}
