using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Vmm.Control.Rpc;

namespace Vmm.Control.Tests.Rpc;

/// <summary>Lists of requests (JSON-RPC 2.0 §6), with the cases of §7's examples.</summary>
public sealed class RpcBatchTests : IDisposable
{
    private readonly RunningDomain _domain = new(RunningDomain.Spin);

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void List_RequestsNotificationsAndNonsense_IsAnsweredInOneList()
    {
        JsonElement[] answers = Ask("""
            [{"jsonrpc":"2.0","id":"a","method":"domain.info"},{"jsonrpc":"2.0","method":"domain.rename","params":["other"]},1,{"foo":"boo"},
             {"jsonrpc":"2.0","id":7,"method":"domain.fly"},{"jsonrpc":"2.0","id":7,"method":"domain.log"},[{"jsonrpc":"2.0","id":8,"method":"domain.info"}]]
            """);

        Assert.Equal(6, answers.Length);
        Assert.Contains(answers.Single(a => IdOf(a) == "\"a\"").GetProperty("result").GetProperty("name").GetString(), (string[])["tiny", "other"]);
        Assert.Equal(3, answers.Count(a => IdOf(a) == "null" && CodeOf(a) == (int)RpcErrorCode.InvalidRequest));
        Assert.Equal([(int)RpcErrorCode.MethodNotFound, 0], answers.Where(a => IdOf(a) == "7").Select(CodeOf).Order());
        Assert.True(SpinWait.SpinUntil(() => _domain.Host.Info.Name == "other", TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [InlineData("[]", RpcErrorCode.InvalidRequest)]
    [InlineData("[{\"jsonrpc\":\"2.0\",\"id\":1", RpcErrorCode.ParseError)]
    public void List_ThatIsNone_IsOneError(string text, RpcErrorCode expected)
        => Assert.Equal((int)expected, CodeOf(JsonDocument.Parse(_domain.Say(text + "\n")).RootElement));

    [Fact]
    public void List_TooLong_IsOneErrorAndTheConnectionGoesOn()
    {
        using Socket socket = _domain.Connect();
        string one = """{"jsonrpc":"2.0","id":1,"method":"domain.info"}""";
        string Many(int count) => $"[{string.Join(',', Enumerable.Repeat(one, count))}]\n";

        socket.Send(Encoding.ASCII.GetBytes(Many(FramedMessageHandler.MostInBatch + 1) + Many(FramedMessageHandler.MostInBatch)));

        Assert.Equal((int)RpcErrorCode.InvalidRequest, CodeOf(JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement));
        Assert.Equal(FramedMessageHandler.MostInBatch, JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement.GetArrayLength());
    }

    [Fact]
    public void List_OfNotifications_HasNoAnswer()
    {
        using Socket socket = _domain.Connect();

        socket.Send(Encoding.ASCII.GetBytes("""[{"jsonrpc":"2.0","method":"domain.pause"},{"jsonrpc":"2.0","method":"domain.unpause"}]""" + "\n" + """{"jsonrpc":"2.0","id":5,"method":"domain.info"}""" + "\n"));

        Assert.Equal("5", IdOf(JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement));
    }

    [Fact]
    public void Lists_ThatWait_HoldNobodyElseUp()
    {
        using Socket socket = _domain.Connect();
        // Each is open until the guest ends; the fifth finds no room, and the connection is not read from any more.
        for (int i = 0; i < 8; i++) socket.Send(Encoding.ASCII.GetBytes("""[{"jsonrpc":"2.0","id":1,"method":"domain.wait"},{"jsonrpc":"2.0","id":2,"method":"rpc.discover"}]""" + "\n"));

        Assert.Contains("tiny", _domain.Say("""{"jsonrpc":"2.0","id":1,"method":"domain.info"}""" + "\n"), StringComparison.Ordinal);
        using Timer ends = new(_ => _domain.Host.Reset(), null, TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(0.1));
        for (int i = 0; i < 8; i++) Assert.Equal(2, JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement.GetArrayLength());
    }

    [Fact]
    public void ProtocolRequests_WithIds_GiveNoMoreRoomThanThereIs()
    {
        using Socket socket = _domain.Connect();
        for (int i = 0; i < 500; i++)
        {
            socket.Send(Encoding.ASCII.GetBytes("""{"jsonrpc":"2.0","id":1,"method":"$/nothing"}""" + "\n"));
            Assert.Equal((int)RpcErrorCode.MethodNotFound, CodeOf(JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement));
        }

        for (int i = 0; i < 70; i++) socket.Send(Encoding.ASCII.GetBytes($$"""{"jsonrpc":"2.0","id":{{100 + i}},"method":"domain.wait"}""" + "\n"));
        socket.Send(Encoding.ASCII.GetBytes("""{"jsonrpc":"2.0","id":3,"method":"domain.info"}""" + "\n"));

        // All room is taken by those that wait.
        Assert.False(socket.Poll(TimeSpan.FromSeconds(0.5), SelectMode.SelectRead));
        using Timer ends = new(_ => _domain.Host.Reset(), null, TimeSpan.Zero, TimeSpan.FromSeconds(0.1));
        Assert.Contains("3", Enumerable.Range(0, 71).Select(_ => IdOf(JsonDocument.Parse(RunningDomain.ReadLine(socket)).RootElement)));
    }

    private JsonElement[] Ask(string list) => [.. JsonDocument.Parse(_domain.Say(list.ReplaceLineEndings(" ") + "\n")).RootElement.EnumerateArray()];

    private static string IdOf(JsonElement answer) => answer.TryGetProperty("id", out JsonElement id) ? id.GetRawText() : "null";

    private static int CodeOf(JsonElement answer) => answer.TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetInt32() : 0;
}
