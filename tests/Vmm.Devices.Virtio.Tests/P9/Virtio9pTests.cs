using System.Text;
using Vmm.Core.State;
using Vmm.Devices.Virtio.P9;
using Vmm.Host.Files;
using Vmm.TestKit;
using static Vmm.Devices.Virtio.Tests.P9.P9Client;

namespace Vmm.Devices.Virtio.Tests.P9;

public sealed class Virtio9pTests : IDisposable
{
    private const uint Directory = 0x4000, SymbolicLink = 0xa000, Fifo = 0x1000, CharacterDevice = 0x2000;

    private readonly P9Bench _bench = new();

    private P9Client Client => _bench.Client;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Config_Tag_WhereTheSpecificationHasIt()
    {
        ulong config = _bench.Virtio.Driver.Device;
        Assert.Equal(0x10491af4u, _bench.Virtio.Config.Read32(0));
        Assert.Equal(5ul, _bench.Virtio.Guest.Load(config, 2));
        Assert.Equal("share", Encoding.ASCII.GetString([.. Enumerable.Range(0, 5).Select(i => (byte)_bench.Virtio.Guest.Load(config + 2 + (ulong)i, 1))]));
        Assert.NotEqual(0ul, _bench.Virtio.Driver.Offered & 1);
    }

    [Fact]
    public void CreateWriteRead_File_HostSeesTheSame()
    {
        byte[] data = new byte[60_000];
        new Random(1).NextBytes(data);
        Assert.Equal(0, Client.Walk(0, 1));
        Assert.Equal(0, Client.Create(1, "new", mode: 0x1b6));
        Assert.Equal(0, Client.Write(1, 0, data));
        Assert.Equal(0, Client.Write(1, 100_000, data[..10]));
        Assert.Equal(data, File.ReadAllBytes(_bench.At("new"))[..60_000]);
        Assert.Equal(100_010, new FileInfo(_bench.At("new")).Length);
        Assert.Equal(0, Client.Read(1, 59_990, 50, out byte[] part));
        Assert.Equal([.. data[^10..], .. new byte[40]], part);
        Assert.Equal(0, Client.Read(1, 100_005, 50, out part));
        Assert.Equal(data[5..10], part);
        // What the process's own mask takes away is given back.
        Assert.Equal(0, Client.GetAttributes(1));
        Assert.Equal(0x81b6ul, Client.Attribute(P9Attribute.Mode));
        Assert.Equal(0, Client.Call(new P9Message(50).Double(1).Double(1)));
        Virtio9pStatistics statistics = _bench.Device.Statistics;
        Assert.Equal((2ul, 2ul, 60_010ul, 55ul, 2), (statistics.Reads, statistics.Writes, statistics.WrittenBytes, statistics.ReadBytes, statistics.Fids));
    }

    [Fact]
    public void Unlinked_OpenFile_GoesOnWorking()
    {
        Client.Walk(0, 1);
        Client.Create(1, "gone");
        Assert.Equal(0, Client.Write(1, 0, "before"u8.ToArray()));
        Assert.Equal(0, Client.Unlink(0, "gone"));
        Assert.False(File.Exists(_bench.At("gone")));
        Assert.Equal(0, Client.Write(1, 6, " after"u8.ToArray()));
        Assert.Equal(0, Client.Read(1, 0, 100, out byte[] data));
        Assert.Equal("before after"u8.ToArray(), data);
        Assert.Equal(0, Client.GetAttributes(1));
        Assert.Equal((0ul, 12ul), (Client.Attribute(P9Attribute.Links), Client.Attribute(P9Attribute.Size)));
        Assert.Equal(0, Client.SetAttributes(1, valid: 8, size: 3));
        Assert.Equal(0, Client.Read(1, 0, 100, out data));
        Assert.Equal("bef"u8.ToArray(), data);
        Assert.Equal(0, Client.Clunk(1));
        Assert.Equal(-EBADF, Client.GetAttributes(1));
    }

    [Fact]
    public void Names_EveryOperation_OnTheHostToo()
    {
        Assert.Equal(0, Client.MakeDirectory(0, "a"));
        Assert.Equal(-EEXIST, Client.MakeDirectory(0, "a"));
        Assert.Equal(0, Client.Walk(0, 1, "a"));
        Assert.Equal(0, Client.Symlink(1, "link", "/no/such/place"));
        Assert.Equal(0, Client.MakeNode(1, "fifo", Fifo | 0x1ff));
        Assert.Equal(-EPERM, Client.MakeNode(1, "null", CharacterDevice | 0x1ff));
        Client.Walk(1, 2);
        Assert.Equal(0, Client.Create(2, "file"));
        Assert.Equal(0, Client.Link(0, 2, "second"));
        Assert.Equal(0, Client.GetAttributes(2));
        Assert.Equal(2ul, Client.Attribute(P9Attribute.Links));
        Assert.Equal(0, Client.RenameAt(1, "file", 0, "third"));
        Assert.Equal(0, Client.Rename(2, 1, "fourth"));
        Assert.Equal(["fifo", "fourth", "link"], System.IO.Directory.GetFileSystemEntries(_bench.At("a")).Select(Path.GetFileName).Order());
        Assert.Equal(0, Client.Walk(1, 3, "link"));
        Assert.Equal((0, "/no/such/place"), (Client.ReadLink(3, out string target), target));
        Assert.Equal(0, Client.GetAttributes(3));
        Assert.Equal(SymbolicLink, Client.Attribute(P9Attribute.Mode) & 0xf000);
        Assert.Equal(-ENOTEMPTY, Client.Unlink(0, "a", flags: 0x200));
        Assert.Equal(0, Client.Remove(3));
        Assert.Equal(0, Client.Unlink(1, "fifo"));
        Assert.Equal(0, Client.Unlink(1, "fourth"));
        Assert.Equal(0, Client.Unlink(0, "a", flags: 0x200));
        Assert.Equal([_bench.At("second")], System.IO.Directory.GetFileSystemEntries(_bench.Share));
    }

    [Fact]
    public void Attributes_Changed_OnTheHostToo()
    {
        File.WriteAllText(_bench.At("f"), "12345678");
        Client.Walk(0, 1, "f");
        Assert.Equal(0, Client.SetAttributes(1, valid: 1, mode: 0x100));
        Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(_bench.At("f")));
        Assert.Equal(0, Client.SetAttributes(1, valid: 0x100 | 0x20, mtime: 1_000_000_000));
        Assert.Equal(new DateTime(2001, 9, 9, 1, 46, 40, DateTimeKind.Utc), File.GetLastWriteTimeUtc(_bench.At("f")));
        Assert.Equal(0, Client.SetAttributes(1, valid: 0x20));
        Assert.Equal(DateTime.UtcNow, File.GetLastWriteTimeUtc(_bench.At("f")), TimeSpan.FromMinutes(1));
        Assert.Equal(0, Client.SetAttributes(1, valid: 1, mode: 0x180));
        Assert.Equal(0, Client.SetAttributes(1, valid: 8, size: 3));
        Assert.Equal("123", File.ReadAllText(_bench.At("f")));
        Assert.Equal(0, Client.GetAttributes(1));
        Assert.Equal((3ul, 0x8180ul), (Client.Attribute(P9Attribute.Size), Client.Attribute(P9Attribute.Mode)));
    }

    [Theory]
    [InlineData(512)]
    [InlineData(60_000)]
    public void ReadDirectory_ManyEntries_EachOnceWhateverTheSizeOfAPiece(uint piece)
    {
        string[] names = [.. Enumerable.Range(0, 700).Select(i => $"entry-{i:x}-{new string('x', i % 90)}")];
        foreach (string name in names) File.WriteAllText(_bench.At(name), "");
        Client.Walk(0, 1);
        Assert.Equal(0, Client.Open(1, 0x10000));
        List<(string Name, ulong Path, byte Type)> entries = Client.List(1, piece);
        Assert.Equal(names.Concat([".", ".."]).Order(StringComparer.Ordinal), entries.Select(e => e.Name).Order(StringComparer.Ordinal));
        (string one, ulong path, byte type) = entries.Find(e => e.Name == names[77]);
        Assert.Equal(8, type);
        Client.Walk(0, 2, one);
        Client.GetAttributes(2);
        Assert.Equal(path, Client.Attribute(P9Attribute.Path));
        Assert.Equal(-EINVAL, Client.Call(new P9Message(40).Double(1).Quad(0).Double(10)));
    }

    [Fact]
    public void Extended_Attributes_StoredAtClunkListedAndRemoved()
    {
        File.WriteAllText(_bench.At("f"), "");
        Client.Walk(0, 1, "f");
        byte[] value = [.. Enumerable.Range(0, 300).Select(i => (byte)i)];
        Assert.Equal(0, SetExtended("user.test", value, 0));
        Assert.Equal(0, Client.Call(new P9Message(30).Double(1).Double(3).Text("user.test")));
        Assert.Equal(300ul, BitConverter.ToUInt64(Client.Body));
        Assert.Equal(0, Client.Read(3, 0, 1000, out byte[] read));
        Assert.Equal(value, read);
        Assert.Equal(0, Client.Read(3, 290, 1000, out read));
        Assert.Equal(value[290..], read);
        Client.Clunk(3);
        Assert.Equal(0, Client.Call(new P9Message(30).Double(1).Double(3).Text("")));
        Client.Read(3, 0, 1000, out read);
        Assert.Contains("user.test\0", Encoding.ASCII.GetString(read), StringComparison.Ordinal);
        Client.Clunk(3);
        // Nothing to be written in place of what is there: it goes away. Nothing to be written: it becomes empty.
        Assert.Equal(0, SetExtended("user.test", [], 2));
        Assert.Equal(-ENODATA, Client.Call(new P9Message(30).Double(1).Double(3).Text("user.test")));
        Assert.Equal(0, SetExtended("user.test", [], 0));
        Assert.Equal(0, Client.Call(new P9Message(30).Double(1).Double(3).Text("user.test")));
        Client.Clunk(3);
        // Bytes are missing.
        Client.Walk(1, 2);
        Client.Call(new P9Message(32).Double(2).Text("user.short").Quad(10).Double(0));
        Client.Write(2, 0, [1, 2, 3]);
        Assert.Equal(-EINVAL, Client.Clunk(2));
    }

    [Fact]
    public void Locks_AgainstTheHost_BlockedAgainstTheGuestItselfNot()
    {
        File.WriteAllText(_bench.At("f"), "0123456789");
        Client.Walk(0, 1, "f");
        Client.Walk(0, 2, "f");
        Client.Open(1, 2);
        Client.Open(2, 0);
        Assert.Equal((0, 0), (Client.Lock(1, type: 1, 0, 5), Client.Body[0]));
        // The guest has judged its own already.
        Assert.Equal((0, 0), (Client.Lock(2, type: 0, 0, 5), Client.Body[0]));
        Assert.Equal((0, 0), (Client.Lock(1, type: 2, 0, 0), Client.Body[0]));
        Assert.Equal((0, 0), (Client.Lock(2, type: 2, 0, 0), Client.Body[0]));
        using FileStream host = new(_bench.At("f"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        host.Lock(0, 3);
        // .NET takes a lock of the process, and so does the kernel count it against an open file of the same process.
        Assert.Equal((0, 1), (Client.Lock(1, type: 1, 2, 2), Client.Body[0]));
        Assert.Equal(0, Client.Call(new P9Message(54).Double(1).Byte(1).Quad(0).Quad(0).Double(42).Text("guest")));
        Assert.Equal(1, Client.Body[0]);
        Assert.Equal((0ul, 3ul), (BitConverter.ToUInt64(Client.Body, 1), BitConverter.ToUInt64(Client.Body, 9)));
        Assert.Equal((0, 0), (Client.Lock(1, type: 1, 3, 2), Client.Body[0]));
        Assert.Equal(-EINVAL, Client.Lock(1, type: 3, 3, 2));
    }

    [Fact]
    public void Walk_Partial_SaysHowFarAndMakesNoFid()
    {
        System.IO.Directory.CreateDirectory(_bench.At("a/b"));
        Assert.Equal(0, Client.Walk(0, 1, "a", "b", "c"));
        Assert.Equal(2, BitConverter.ToUInt16(Client.Body));
        Assert.Equal(-EBADF, Client.GetAttributes(1));
        Assert.Equal(-ENOENT, Client.Walk(0, 1, "c"));
        Assert.Equal(0, Client.Walk(0, 1, "a", "b"));
        Assert.Equal(-EINVAL, Client.Walk(0, 1, "a"));
        Assert.Equal(0, Client.Walk(1, 1));
        Assert.Equal(-EINVAL, Client.Call(new P9Message(110).Double(0).Double(5).Word(17)));
    }

    [Fact]
    public void Session_WithoutVersion_RefusedAndANewVersionDropsAllFids()
    {
        Assert.Equal(0, Client.Version(4096));
        Assert.Equal(-EBADF, Client.GetAttributes(0));
        Assert.Equal(0, Client.Version(1 << 30));
        Assert.Equal(512u << 10, BitConverter.ToUInt32(Client.Body));
        Assert.Equal(-EMSGSIZE, Client.Version(4095));
        Assert.Equal(0, Client.Version(8192, "9P2000"));
        Assert.Equal("unknown", Encoding.ASCII.GetString(Client.Body, 6, Client.Body.Length - 6));
        Assert.Equal(-EPROTO, Client.Attach(0));
        Assert.Equal(0, Client.Version());
        Assert.Equal(-EOPNOTSUPP, Client.Call(new P9Message(102).Double(1)));
        Assert.Equal(0, Client.Attach(0));
        _bench.Virtio.Start();
        P9Client again = new(_bench.Virtio.Start()[0]);
        Assert.Equal(-EPROTO, again.GetAttributes(0));
    }

    [Fact]
    public void Fids_TooMany_Enfile()
    {
        using P9Bench small = new(maxFids: 5);
        for (uint i = 1; i < 5; i++) Assert.Equal(0, small.Client.Walk(0, i));
        Assert.Equal(-ENFILE, small.Client.Walk(0, 5));
        Assert.Equal(0, small.Client.Clunk(2));
        Assert.Equal(0, small.Client.Walk(0, 5));
    }

    [Fact]
    public void ReadOnly_EveryChange_Erofs()
    {
        using P9Bench bench = new(new FileTreeOptions { IsReadOnly = true }, prepare: share => File.WriteAllText(Path.Combine(share, "f"), "text"));
        P9Client client = bench.Client;
        client.Walk(0, 1, "f");
        client.Walk(0, 2);
        int[] results =
        [
            client.Create(2, "x"), client.MakeDirectory(0, "x"), client.Symlink(0, "x", "y"), client.MakeNode(0, "x", Fifo), client.Link(0, 1, "x"),
            client.RenameAt(0, "f", 0, "x"), client.Rename(1, 0, "x"), client.Unlink(0, "f"), client.SetAttributes(1, 1, 0x1ff), client.Open(1, 2),
            client.Open(1, 0x200), client.Call(new P9Message(32).Double(1).Text("user.x").Quad(1).Double(0)),
        ];
        Assert.All(results, result => Assert.Equal(-EROFS, result));
        Assert.Equal(0, client.Open(1, 0));
        Assert.Equal(0, client.Read(1, 0, 100, out byte[] data));
        Assert.Equal("text"u8.ToArray(), data);
        Assert.Equal([bench.At("f")], System.IO.Directory.GetFileSystemEntries(bench.Share));
    }

    [Fact]
    public void State_FidsByPath_FoundAgainAndTheUnnamedLost()
    {
        File.WriteAllText(_bench.At("f"), "content");
        System.IO.Directory.CreateDirectory(_bench.At("d"));
        Client.Walk(0, 1, "f");
        Client.Open(1, 2);
        Client.Walk(0, 2, "d");
        Client.Walk(0, 3);
        Client.Create(3, "gone");
        Client.Unlink(0, "gone");
        Client.Walk(1, 4);
        Client.Call(new P9Message(32).Double(4).Text("user.x").Quad(4).Double(0));
        Client.Write(4, 0, [1, 2]);
        File.Move(_bench.At("f"), _bench.At("d/f"));
        using Virtio9p fresh = _bench.NewDevice();
        StateContract.Check(_bench.Device, fresh);
        Assert.Equal(0, Client.Read(1, 0, 100, out byte[] data));
        Assert.Equal("content"u8.ToArray(), data);
        Assert.Equal(0, Client.Write(1, 0, "C"u8.ToArray()));
        Assert.Equal(0, Client.Write(4, 2, [3, 4]));
        Assert.Equal(0, Client.Clunk(4));
        Assert.Equal(0, Client.GetAttributes(2));
        Assert.Equal(Directory, Client.Attribute(P9Attribute.Mode) & 0xf000);
        Assert.Equal(-ESTALE, Client.GetAttributes(3));
        Assert.Equal(0, Client.Clunk(3));
        Assert.Throws<StateException>(() => fresh.Restore(new Virtio9pState { Version = 9 }));
    }

    [Fact]
    public void ReadsAndWrites_OnceWarm_AllocateNothing()
    {
        Client.Walk(0, 1);
        Client.Create(1, "f");
        Client.Write(1, 0, new byte[4096]);
        VirtioDriver.Ring ring = Client.Ring;
        byte[] message = new P9Message(116).Double(1).Quad(0).Double(4096).ToArray();
        Assert.True(_bench.Virtio.Memory.TryCopyIn(new Core.Memory.GuestAddress(ring.Buffers), message));
        ring.Describe(ring.Descriptors, 0, ring.Buffers, (uint)message.Length, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 0x1000, 4096 + 11, 2, 0);
        Rounds(ring, 50);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Rounds(ring, 500);
        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
        Assert.Equal(550ul, _bench.Device.Statistics.Reads);
    }

    [Fact]
    public void MessageWithoutHeaderOrRoom_BreaksTheQueue()
    {
        VirtioDriver.Ring ring = Client.Ring;
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 6, 0, 0);
        ring.Offer(0);
        _bench.Virtio.Workers.Run();
        Assert.NotEqual(0, _bench.Virtio.Driver.Status & VirtioDriver.NeedsReset);
        Assert.Single(_bench.Virtio.Diagnostics);
    }

    private int SetExtended(string name, byte[] value, uint flags)
    {
        Assert.Equal(0, Client.Walk(1, 2));
        Assert.Equal(0, Client.Call(new P9Message(32).Double(2).Text(name).Quad((ulong)value.Length).Double(flags)));
        if (value.Length != 0) Assert.Equal(0, Client.Write(2, 0, value));
        return Client.Clunk(2);
    }

    private void Rounds(VirtioDriver.Ring ring, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ring.Offer(0);
            _bench.Virtio.Workers.Run();
            if (ring.Take() is null) throw new InvalidOperationException("no answer");
        }
    }
}
