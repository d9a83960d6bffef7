using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Vmm.Control.Rpc;
using Vmm.Machine.Config;

namespace Vmm.Control.Tests.Rpc;

public sealed class HostileClientTests : IDisposable
{
    private const string InfoRequest = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"domain.info\"}\n";

    // What would end the domain or write files where random words say.
    private static readonly string[] LeftOut = ["domain.destroy", "domain.dumpCore", "net.startCapture"];

    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "1e999", "18446744073709551616", "1.5", "\"\"", "\"net0\"", "\"\\u0000\"", "\"serial0\"", "[]", "{}", "[[[]]]", "[0]", "{\"id\":5}",
        "\"AAAA\"", "\"///\"", "\"path=/dev/null,format=raw\"", "{\"path\":[1,true,null]}", "{\"bytesPerSecond\":-1}", "2147483648", "\"\\ud800\"",
    ];

    private readonly RunningDomain _domain = new(RunningDomain.Spin, c => c with { Machine = c.Machine with { Nets = [NetConfig.Parse(0, "user", [])] } });

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void RandomParameters_OfEveryMethod_AreAnsweredAndTheDomainGoesOn()
    {
        string[] methods = [.. OpenRpcDocument.Methods(typeof(IDomainRpc)).Select(OpenRpcDocument.NameOf).Except(LeftOut)];
        string[] names = [.. OpenRpcDocument.Methods(typeof(IDomainRpc)).SelectMany(OpenRpcDocument.Parameters).Select(p => p.Name!).Distinct()];
        Random random = new(5);
        HashSet<int> codes = [];
        for (int round = 0; round < 50; round++)
        {
            using Socket socket = _domain.Connect();
            int sent = 0;
            StringBuilder text = new();
            for (int i = 0; i < 40; i++)
            {
                string method = methods[random.Next(methods.Length)];
                // These wait for something that does not come.
                if (method is "domain.wait" or "console.write" or "domain.sysrq") continue;
                int count = random.Next(4);
                bool isByName = random.Next(2) == 0;
                IEnumerable<string> items = Enumerable.Range(0, count).Select(_ => Values[random.Next(Values.Length)]);
                string parameters = isByName ? "{" + string.Join(',', items.Select(v => $"\"{names[random.Next(names.Length)]}\":{v}")) + "}" : $"[{string.Join(',', items)}]";
                text.Append($"{{\"jsonrpc\":\"2.0\",\"id\":{++sent},\"method\":\"{method}\",\"params\":{parameters}}}\n");
            }

            socket.Send(Encoding.UTF8.GetBytes(text.ToString()));
            for (int answers = 0; answers < sent;)
            {
                string line = RunningDomain.ReadLine(socket);
                Assert.NotEqual("", line);
                JsonElement answer = JsonDocument.Parse(line).RootElement;
                if (answer.TryGetProperty("method", out _)) continue;
                answers++;
                if (answer.TryGetProperty("error", out JsonElement error)) codes.Add(error.GetProperty("code").GetInt32());
            }
        }

        Assert.Contains((int)RpcErrorCode.InvalidParameters, codes);
        Assert.DoesNotContain((int)RpcErrorCode.InternalError, codes);
        Assert.Contains("\"result\"", _domain.Say(InfoRequest), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}\n")]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"domain.log\"}\n")]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\n")]
    public void Flood_ClientThatNeverReads_IsNotReadFromWithoutBoundAndOthersAreServed(string request)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using Socket deaf = _domain.Connect();
        deaf.SendTimeout = 1000;
        byte[] many = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(request, 200)));
        Stopwatch time = Stopwatch.StartNew();
        try
        {
            while (time.Elapsed < TimeSpan.FromSeconds(2)) deaf.Send(many);
        }
        catch (SocketException)
        {
            // The server reads no more.
        }

        Assert.Contains("\"result\"", _domain.Say(InfoRequest), StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 96 << 20);
    }

    [Fact]
    public void Notification_OfAMethod_IsCarriedOutWithoutAnAnswer()
    {
        using Socket socket = _domain.Connect();
        socket.Send(Encoding.ASCII.GetBytes("{\"jsonrpc\":\"2.0\",\"method\":\"domain.rename\",\"params\":[\"silent\"]}\n{\"jsonrpc\":\"2.0\",\"method\":\"domain.fly\"}\n"));

        Assert.True(SpinWait.SpinUntil(() => _domain.Host.Info.Name == "silent", TimeSpan.FromSeconds(30)));
        socket.Send(Encoding.ASCII.GetBytes(InfoRequest));
        Assert.Contains("\"silent\"", RunningDomain.ReadLine(socket), StringComparison.Ordinal);
    }

    [Fact]
    public void Subscribers_ThatNeverRead_DoNotHoldTheDomainUp()
    {
        Socket[] deaf = [.. Enumerable.Range(0, 50).Select(_ => _domain.Connect())];
        foreach (Socket socket in deaf) socket.Send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"domain.subscribe\"}\n"u8);
        using DomainClient client = new(_domain.Host.Folder);

        for (int i = 0; i < 2000; i++) _domain.Host.Events.Raise(DomainEventKind.DeviceFailed, new string('x', 500));

        Assert.Contains("\"result\"", _domain.Say(InfoRequest), StringComparison.Ordinal);
        foreach (Socket socket in deaf) socket.Dispose();
    }
}
