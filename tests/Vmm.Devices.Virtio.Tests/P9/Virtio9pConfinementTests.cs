using System.Text;
using Vmm.Host;
using static Vmm.Devices.Virtio.Tests.P9.P9Client;

namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>Ways out of the shared folder, none of which there is.</summary>
public sealed class Virtio9pConfinementTests : IDisposable
{
    private readonly P9Bench _bench = new();

    private P9Client Client => _bench.Client;

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("../outside")]
    [InlineData("a/b")]
    [InlineData("/")]
    [InlineData("/etc")]
    [InlineData("a\0b")]
    [InlineData("a\0")]
    public void Name_ThatIsNone_RefusedEverywhere(string name)
    {
        Client.MakeDirectory(0, "a");
        File.WriteAllText(_bench.At("f"), "");
        Client.Walk(0, 1, "f");
        Client.Walk(0, 2);
        int[] results =
        [
            Client.Walk(0, 9, name), Client.Walk(0, 9, "a", name) + (BitConverter.ToUInt16(Client.Body) == 1 ? -EINVAL : 0), Client.Create(2, name),
            Client.MakeDirectory(0, name), Client.Symlink(0, name, "x"), Client.MakeNode(0, name, 0x1000), Client.Link(0, 1, name),
            Client.RenameAt(0, "f", 0, name), Client.RenameAt(0, name, 0, "g"), Client.Rename(1, 0, name), Client.Unlink(0, name), Client.Unlink(0, name, 0x200),
        ];
        Assert.All(results, result => Assert.Equal(-EINVAL, result));
    }

    [Fact]
    public void Name_TooLong_Refused()
        => Assert.Equal((-ENAMETOOLONG, -ENAMETOOLONG), (Client.Walk(0, 1, new string('n', 256)), Client.MakeDirectory(0, new string('n', 256))));

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc")]
    [InlineData("/proc/self/root")]
    [InlineData(".")]
    public void SymbolicLink_ThatLeadsAway_NeverFollowed(string target)
    {
        Assert.Equal(0, Client.Symlink(0, "out", target));
        Assert.Equal(0, Client.Walk(0, 1, "out", "secret"));
        Assert.Equal(1, BitConverter.ToUInt16(Client.Body));
        Assert.Equal(0, Client.Walk(0, 1, "out"));
        Assert.Equal(-ELOOP, Client.Open(1));
        Client.Walk(0, 2);
        Assert.Equal(-ELOOP, Client.Create(2, "out"));
        Assert.Equal(-EEXIST, Client.Create(2, "out", flags: 0x82));
        int[] results = [Client.MakeDirectory(1, "x"), Client.Unlink(1, "secret"), Client.Symlink(1, "x", "y"), Client.RenameAt(1, "secret", 0, "s"), Client.Create(1, "x")];
        Assert.All(results, result => Assert.Equal(-ENOTDIR, result));
        // Size and mode of the link's target stay.
        Assert.Equal(-EINVAL, Client.SetAttributes(1, valid: 8, size: 0));
        Assert.Equal(-EOPNOTSUPP, Client.SetAttributes(1, valid: 1, mode: 0x1ff));
        Assert.Equal("secret", File.ReadAllText(Path.Combine(_bench.Outside, "secret")));
    }

    [Fact]
    public void Fifo_Open_RefusedAtOnce()
    {
        Client.MakeNode(0, "fifo", 0x1000 | 0x1ff);
        Client.Walk(0, 1, "fifo");
        Assert.Equal((-ENXIO, -ENXIO), (Client.Open(1), Client.Open(1, 1)));
        Client.Walk(0, 2);
        Assert.Equal(-ENXIO, Client.Create(2, "fifo"));
    }

    [Fact]
    public void Directory_MovedOutByTheHost_NothingMoreIsFoundOrChangedInIt()
    {
        Directory.CreateDirectory(_bench.At("d/e"));
        File.WriteAllText(_bench.At("d/f"), "shared");
        Client.Walk(0, 1, "d");
        Client.Walk(0, 2, "d");
        Client.Open(2, 0x10000);
        Client.Walk(0, 3, "d", "f");
        Client.Open(3);
        Client.Walk(0, 4, "d", "f");
        Directory.Move(_bench.At("d"), Path.Combine(_bench.Outside, "d"));
        File.WriteAllText(Path.Combine(_bench.Outside, "d/new"), "secret");
        Client.Walk(1, 6);
        int[] results =
        [
            Client.Walk(1, 5, "new"), Client.Walk(1, 5, "e"), Client.Call(new P9Message(40).Double(2).Quad(0).Double(4096)), Client.Create(6, "x"),
            Client.MakeDirectory(1, "x"), Client.Symlink(1, "x", "y"), Client.MakeNode(1, "x", 0x1000), Client.Unlink(1, "f"), Client.RenameAt(1, "f", 0, "f"),
            Client.Link(0, 4, "f"), Client.Open(4), Client.Remove(4),
        ];
        Assert.All(results, result => Assert.Equal(-ESTALE, result));
        // What was open stays open.
        Assert.Equal((0, "shared"), (Client.Read(3, 0, 100, out byte[] data), Encoding.ASCII.GetString(data)));
        Directory.Move(Path.Combine(_bench.Outside, "d"), _bench.At("back"));
        Assert.Equal(0, Client.Walk(1, 5, "new"));
    }

    [Fact]
    public void Share_MovedItself_GoesOn()
    {
        Client.MakeDirectory(0, "d");
        string moved = _bench.Share + "-moved";
        Directory.Move(_bench.Share, moved);
        Assert.Equal(0, Client.MakeDirectory(0, "e"));
        Assert.True(Directory.Exists(Path.Combine(moved, "e")));
        Assert.Equal(0, Client.Walk(0, 1, "d"));
        Directory.Move(moved, _bench.Share);
        Assert.Equal(0, Client.Walk(0, 2, "e"));
    }

    [Fact]
    public void SymbolicLink_SwappedInWhileWalking_NeverFollowed()
    {
        Directory.CreateDirectory(_bench.At("real"));
        File.WriteAllText(_bench.At("real/secret"), "harmless");
        Directory.CreateSymbolicLink(_bench.At("spare"), _bench.Outside);
        Directory.Move(_bench.At("real"), _bench.At("door"));
        using CancellationTokenSource stop = new();
        Thread swapper = new(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Directory.Move(_bench.At("door"), _bench.At("aside"));
                Directory.Move(_bench.At("spare"), _bench.At("door"));
                Directory.Move(_bench.At("door"), _bench.At("spare"));
                Directory.Move(_bench.At("aside"), _bench.At("door"));
            }
        });
        swapper.Start();
        int found = 0;
        long deadline = Environment.TickCount64 + 60_000;
        try
        {
            // On a busy machine the other thread may stand still for all of the first rounds, with the door away.
            for (int i = 0; i < 3000 || (found == 0 && Environment.TickCount64 < deadline); i++)
            {
                if (Client.Walk(0, 1, "door", "secret") != 0) continue;
                bool isWhole = BitConverter.ToUInt16(Client.Body) == 2;
                if (!isWhole) continue;
                if (Client.Open(1) == 0)
                {
                    Client.Read(1, 0, 100, out byte[] data);
                    Assert.Equal("harmless", Encoding.ASCII.GetString(data));
                    found++;
                }

                Client.Clunk(1);
            }
        }
        finally
        {
            stop.Cancel();
            swapper.Join();
        }

        Assert.NotEqual(0, found);
    }

    [Fact]
    public void Share_ThatIsNoDirectory_ALineThatSaysSo()
    {
        LinuxException e = Assert.Throws<LinuxException>(() => Vmm.Host.Files.HostFileTree.Open(Path.Combine(_bench.Outside, "secret"), new()));
        Assert.Contains("outside/secret", e.Message, StringComparison.Ordinal);
        Assert.Contains("ENOTDIR", e.Message, StringComparison.Ordinal);
    }
}
