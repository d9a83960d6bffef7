using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Vmm.Control.Rpc;

namespace Vmm.Control.Tests.Rpc;

public sealed class RpcServerTests : IDisposable
{
    private const string InfoRequest = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"domain.info\"}";

    private readonly RunningDomain _domain = new(RunningDomain.Spin);

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void Request_OnALine_IsAnsweredOnALine()
    {
        JsonElement answer = JsonDocument.Parse(_domain.Say(InfoRequest + "\n")).RootElement;

        Assert.Equal("tiny", answer.GetProperty("result").GetProperty("name").GetString());
    }

    [Fact]
    public void Request_BehindHeaders_IsAnsweredBehindHeaders()
    {
        using Socket socket = _domain.Connect();
        socket.Send(Encoding.ASCII.GetBytes($"Content-Type: x\r\ncontent-length: {InfoRequest.Length}\r\n\r\n{InfoRequest}"));

        string header = RunningDomain.ReadLine(socket);
        Assert.StartsWith("Content-Length: ", header, StringComparison.Ordinal);
        Assert.Equal("\r", RunningDomain.ReadLine(socket));
        byte[] body = new byte[int.Parse(header["Content-Length: ".Length..].Trim(), System.Globalization.CultureInfo.InvariantCulture)];
        for (int got = 0; got < body.Length;) got += socket.Receive(body.AsSpan(got));
        Assert.Equal(1, JsonDocument.Parse(body).RootElement.GetProperty("id").GetInt32());
    }

    [Theory]
    [InlineData("nonsense\n", RpcErrorCode.ParseError)]
    [InlineData("{\n", RpcErrorCode.ParseError)]
    [InlineData("5\n", RpcErrorCode.InvalidRequest)]
    [InlineData("[]\n", RpcErrorCode.InvalidRequest)]
    [InlineData("{}\n", RpcErrorCode.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}\n", RpcErrorCode.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"domain.fly\"}\n", RpcErrorCode.MethodNotFound)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"domain.rename\",\"params\":{\"nom\":\"x\"}}\n", RpcErrorCode.InvalidParameters)]
    public void BadRequest_EveryKind_GetsItsCode(string text, RpcErrorCode expected)
    {
        JsonElement answer = JsonDocument.Parse(_domain.Say(text)).RootElement;

        Assert.Equal((int)expected, answer.GetProperty("error").GetProperty("code").GetInt32());
    }

    [Fact]
    public void BadRequest_ThenAGoodOne_TheConnectionGoesOn()
    {
        using Socket socket = _domain.Connect();
        socket.Send(Encoding.ASCII.GetBytes($"nonsense\n\n{InfoRequest}\n"));

        Assert.Contains("-32700", RunningDomain.ReadLine(socket), StringComparison.Ordinal);
        Assert.Contains("\"tiny\"", RunningDomain.ReadLine(socket), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Content-Length: 99999999999\r\n\r\n")]
    [InlineData("Content-Length: -1\r\n\r\n")]
    [InlineData("Content-Length: 2000000\r\n\r\n")]
    [InlineData("Content-Type: 1\r\n\r\n")]
    public void BadFrame_EveryKind_EndsTheConnectionOnly(string text)
    {
        Assert.Equal("", _domain.Say(text));
        Assert.Contains("tiny", _domain.Say(InfoRequest + "\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Message_WithoutAnEnd_IsCutOffAtABound()
    {
        using Socket socket = _domain.Connect();
        byte[] piece = new byte[64 << 10];
        Array.Fill(piece, (byte)'x');
        long sent = 0;
        try
        {
            while (sent < 16 << 20) sent += socket.Send(piece);
        }
        catch (SocketException)
        {
            // As it should be.
        }

        Assert.InRange(sent, FramedMessageHandler.MostMessageBytes / 2, 4 << 20);
    }

    [Fact]
    public void Clients_TwoHundredAtOnce_AreAllAnswered()
    {
        Socket[] sockets = [.. Enumerable.Range(0, 200).Select(_ => _domain.Connect())];
        foreach (Socket socket in sockets) socket.Send(Encoding.ASCII.GetBytes(InfoRequest + "\n"));

        Assert.All(sockets, socket => Assert.Contains("tiny", RunningDomain.ReadLine(socket), StringComparison.Ordinal));
        foreach (Socket socket in sockets) socket.Dispose();
    }

    [Fact]
    public void RandomMessages_TenThousand_TheDomainGoesOn()
    {
        Random random = new(11);
        using Socket drain = _domain.Connect();
        for (int round = 0; round < 100; round++)
        {
            using Socket socket = _domain.Connect();
            StringBuilder text = new();
            for (int i = 0; i < 100; i++)
            {
                char[] message = InfoRequest.ToCharArray();
                for (int change = random.Next(4); change > 0; change--) message[random.Next(message.Length)] = (char)random.Next(32, 127);
                text.Append(message).Append('\n');
            }

            socket.Send(Encoding.ASCII.GetBytes(text.ToString()));
            // Half of them go away without reading.
            if (round % 2 == 0) Assert.NotEqual("", RunningDomain.ReadLine(socket));
        }

        Assert.Contains("tiny", _domain.Say(InfoRequest + "\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Socket_AsItIsMade_IsItsOwnersAlone()
        => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_domain.Host.Folder.Socket));
}
