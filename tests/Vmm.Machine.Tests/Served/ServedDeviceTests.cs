using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using Vmm.Core.State;
using Vmm.Core.Time;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Storage;
using Vmm.Storage.Qcow2;
using Vmm.TestKit;
using static Vmm.Machine.Tests.Served.ServedBench;

namespace Vmm.Machine.Tests.Served;

/// <summary>What can be done with a device that this process serves can be done with one that the device model does, also after that was killed.</summary>
public sealed class ServedDeviceTests : IDisposable
{
    private const int LinkStatusAt = 6;

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-served").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ExecutableFact]
    public void Disk_WrittenAndRead_IsCountedAlsoAfterADeath()
    {
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        VirtioDriver.Ring ring = bench.Plug(disk)[0];
        for (byte i = 0; i < 8; i++) Write(ring, i, (byte)(i + 1));
        Assert.Equal((8UL, 0UL, 1UL << 20), (bench.Report(disk).Statistics!.Value.Writes, bench.Report(disk).Statistics!.Value.Reads, bench.Report(disk).SizeBytes));

        bench.Kill();

        for (byte i = 0; i < 8; i++) Assert.Equal(i + 1, Read(ring, i));
        Assert.Equal((8UL, 8UL), (bench.Report(disk).Statistics!.Value.Writes, bench.Report(disk).Statistics!.Value.Reads));
        Assert.Contains(bench.Notes, line => line.Contains("has ended with signal 9; it is started again", StringComparison.Ordinal));
    }

    [ExecutableFact]
    public void Disk_Limits_CountAtOnceAndForTheNextProcess()
    {
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        VirtioDriver.Ring ring = bench.Plug(disk)[0];
        RateLimits slow = new(default, new TokenRate(20, 1));

        bench.Attachment<IDiskAttachment>(disk).SetLimits(slow);
        Assert.True(TimeOfReads(ring, 6) > TimeSpan.FromMilliseconds(200));
        bench.Kill();
        _ = Read(ring, 0);
        Assert.True(TimeOfReads(ring, 6) > TimeSpan.FromMilliseconds(200));
        Assert.Equal(slow, bench.Report(disk).Limits);
        bench.Attachment<IDiskAttachment>(disk).SetLimits(default);
        Assert.Equal(default, bench.Report(disk).Limits);
        _ = Read(ring, 0);
    }

    [ExecutableFact]
    public void Disk_Grown_TheDriverIsTold()
    {
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        VirtioDriver.Ring ring = bench.Plug(disk)[0];

        bench.Attachment<IDiskAttachment>(disk).Grow(3 << 20);

        WaitFor(() => Capacity(bench, disk) == 3 << 20, "the driver does not see the new size");
        Assert.Equal((3L << 20, 3UL << 20), (new FileInfo(disk.Path).Length, bench.Report(disk).SizeBytes));
        Write(ring, (2 << 20) / SectorBytes, 7);
        bench.Kill();
        Assert.Equal(7, Read(ring, (2 << 20) / SectorBytes));
        Assert.Equal(3UL << 20, Capacity(bench, disk));
        ImageException refused = Assert.Throws<ImageException>(() => bench.Attachment<IDiskAttachment>(disk).Grow(1 << 20));
        Assert.Contains("cannot become smaller", refused.Message, StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Disks_ThatComeAndGo_AreOfOneProcessAndLeaveTheirImages()
    {
        DiskConfig first = Disk(Image(_folder)), second = Disk(Image(_folder, "b.img"), index: 1);
        using ServedBench bench = new(first);
        VirtioDriver.Ring ring = bench.Plug(first)[0];
        int process = bench.Link.Info!.ProcessId;

        Write(bench.Plug(second)[0], 5, 9);
        Assert.Throws<LinuxException>(() => BlockFile.Open(second.Path, readOnly: false).Dispose());
        bench.Unplug(second);

        BlockFile.Open(second.Path, readOnly: false).Dispose();
        Assert.Equal(9, File.ReadAllBytes(second.Path)[5 * SectorBytes]);
        Assert.Equal(9, Read(bench.Plug(second)[0], 5));
        Write(ring, 1, 1);
        Assert.Equal((process, 1), (bench.Link.Info!.ProcessId, bench.Link.Info.Starts));
    }

    [ExecutableTheory]
    [InlineData("raw", "")]
    [InlineData("qcow2", "")]
    [InlineData("raw", "missing")]
    [InlineData("raw", "locked")]
    [InlineData("qcow2", "backing")]
    public void Disk_ThatCannotBeOpened_IsRefusedInTheSameWords(string format, string how)
    {
        string path = how == "missing" ? Path.Combine(_folder, "none") : Image(_folder);
        if (how == "backing") DiskImages.CreateQcow2(path, new Qcow2CreateOptions { SizeBytes = 1 << 20, BackingFile = "base.img", BackingFormat = ImageFormat.Raw }).Dispose();
        DiskConfig disk = Disk(path) with { Format = format };
        using ServedBench bench = new();
        using BlockFile? locked = how == "locked" ? BlockFile.Open(path, readOnly: false) : null;

        Exception? there = Record(() => bench.Link.Open(disk)), here = Record(() => Attachments.OpenHere(disk, new MachineConfig { Boot = new BootConfig { Kernel = "" } }, bench.Host));

        Assert.Equal(here is null, format == "raw" && how.Length == 0);
        Assert.Equal((here?.GetType(), here?.Message), (there?.GetType(), there?.Message));
    }

    [ExecutableFact]
    public void Disk_WithABackingFile_IsReadThroughWhereThatIsAllowed()
    {
        string below = Image(_folder), path = Path.Combine(_folder, "top.qcow2");
        File.WriteAllBytes(below, [.. Enumerable.Repeat((byte)3, 1 << 20)]);
        DiskImages.CreateQcow2(path, new Qcow2CreateOptions { SizeBytes = 1 << 20, BackingFile = "disk.img", BackingFormat = ImageFormat.Raw }).Dispose();
        DiskConfig disk = Disk(path) with { Format = "qcow2", AllowBacking = true };
        using ServedBench bench = new(disk);

        VirtioDriver.Ring ring = bench.Plug(disk)[0];

        Assert.Equal(3, Read(ring, 1));
        Write(ring, 1, 4);
        Assert.Equal((4, 3), (Read(ring, 1), (int)File.ReadAllBytes(below)[SectorBytes]));
    }

    [ExecutableFact]
    public void Disk_BrokenQueue_IsToldWithItsCause()
    {
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        VirtioDriver.Ring ring = bench.Plug(disk)[0];

        // A chain that begins outside the table.
        ring.Offer(ushort.MaxValue);

        WaitFor(() => (bench.Driver(disk).Driver.Status & VirtioDriver.NeedsReset) != 0, "the driver is not told");
        Assert.Contains("65535", Assert.Single(bench.Driver(disk).Diagnostics), StringComparison.Ordinal);
    }

    [ExecutableFact]
    public void Net_LinkAndLimits_CountAtOnceAndForTheNextProcess()
    {
        NetConfig net = Net("user,mac=52:54:00:00:00:07");
        using ServedBench bench = new(net);
        VirtioDriver.Ring[] rings = bench.Plug(net);
        RateLimits receive = new(new TokenRate(1000, 500), default);
        Assert.True(IsLinkUp(bench, net));

        bench.Attachment<INetAttachment>(net).SetLink(false);
        bench.Attachment<INetAttachment>(net).SetLimits(receive, default);

        WaitFor(() => !IsLinkUp(bench, net), "the driver does not see the cable out");
        bench.Kill();
        Send(rings, 1);
        Assert.False(IsLinkUp(bench, net));
        NetReport report = bench.Report(net);
        Assert.Equal((false, receive, "52:54:00:00:00:07"), (report.IsLinkUp, report.ReceiveLimits, report.Mac.ToString()));
        bench.Attachment<INetAttachment>(net).SetLink(true);
        WaitFor(() => IsLinkUp(bench, net), "the driver does not see the cable in");
    }

    [ExecutableFact]
    public void Net_Capture_GoesOnInTheFileAfterADeath()
    {
        NetConfig net = Net("user");
        using ServedBench bench = new(net);
        VirtioDriver.Ring[] rings = bench.Plug(net);
        string path = Path.Combine(_folder, "x.pcapng");

        bench.Attachment<INetAttachment>(net).StartCapture(path, 1000);
        Send(rings, 3);
        // What is written is there before the next line; what is under way would be lost.
        WaitFor(() => Packets(path) == 3, "the first frames are not recorded");
        bench.Kill();
        Send(rings, 4);
        WaitFor(() => Packets(path) == 7, "the later frames are not recorded");
        Assert.Equal((7UL, path), (bench.Report(net).Statistics!.Value.SentFrames + 3, bench.Report(net).Capture));
        bench.Attachment<INetAttachment>(net).StopCapture();

        Send(rings, 2);
        Assert.Equal((7, null), (Packets(path), bench.Report(net).Capture));
        Assert.Throws<LinuxException>(() => bench.Attachment<INetAttachment>(net).StartCapture("/nowhere/x", 1000));
    }

    [ExecutableFact]
    public void Disk_State_GoesToAnotherProcessAndToItsSuccessor()
    {
        const string WriteThrough = """{"version":1,"isWriteback":false,"sizeBytes":1048576}""";
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        bench.Plug(disk);
        IRemoteState state = bench.State(disk)!;
        Assert.Contains("\"isWriteback\":true", Encoding.UTF8.GetString(state.Save()), StringComparison.Ordinal);

        state.Restore(Encoding.UTF8.GetBytes(WriteThrough));
        Assert.Equal(WriteThrough, Encoding.UTF8.GetString(state.Save()));
        bench.Kill();
        WaitFor(() => Encoding.UTF8.GetString(state.Save()) == WriteThrough, "the successor does not know the state");

        bench.Attachment<IDiskAttachment>(disk).Grow(2 << 20);
        bench.Kill();
        string grown = WriteThrough.Replace("1048576", "2097152", StringComparison.Ordinal);
        WaitFor(() => Encoding.UTF8.GetString(state.Save()) == grown, "the successor does not know the state of the disk that has grown");

        Assert.Throws<StateException>(() => state.Restore("{"u8.ToArray()));
    }

    [ExecutableFact]
    public void DeviceModel_ThatDiesAgainAndAgain_IsNotStartedWithoutAPause()
    {
        DiskConfig disk = Disk(Image(_folder));
        using ServedBench bench = new(disk);
        VirtioDriver.Ring ring = bench.Plug(disk)[0];
        Stopwatch time = Stopwatch.StartNew();

        for (int i = 0; i < 6; i++) bench.Kill();

        Assert.True(time.Elapsed > TimeSpan.FromMilliseconds(300), $"six starts in {time.Elapsed}");
        Write(ring, 2, 2);
        Assert.Equal(2, Read(ring, 2));
    }

    private static Exception? Record(Func<IAttachment> open)
    {
        try
        {
            open().Dispose();
            return null;
        }
        catch (Exception e) when (e is LinuxException or ImageException)
        {
            return e;
        }
    }

    private static TimeSpan TimeOfReads(VirtioDriver.Ring ring, int count)
    {
        Stopwatch time = Stopwatch.StartNew();
        for (int i = 0; i < count; i++) _ = Read(ring, 0);
        return time.Elapsed;
    }

    private static ulong Capacity(ServedBench bench, DiskConfig disk)
    {
        VirtioDriver driver = bench.Driver(disk).Driver;
        return bench.Driver(disk).Guest.Load(driver.Device, 8) * SectorBytes;
    }

    private static bool IsLinkUp(ServedBench bench, NetConfig net)
        => (bench.Driver(net).Guest.Load(bench.Driver(net).Driver.Device + LinkStatusAt, 2) & 1) != 0;

    /// <summary>Asks who has the gateway's address.</summary>
    private static void Send(VirtioDriver.Ring[] rings, int frames)
    {
        const int HeaderBytes = 12;
        byte[] frame = new byte[HeaderBytes + 60];
        Convert.FromHexString("ffffffffffff" + "525400000007" + "0806" + "0001" + "0800" + "0604" + "0001" + "525400000007" + "0a00020f" + "000000000000" + "0a000202").CopyTo(frame, HeaderBytes);
        for (int i = 0; i < frames; i++) Request(rings[1], [frame], []);
    }

    /// <summary>The packets of a recording, all of whose blocks are whole.</summary>
    private static int Packets(string path)
    {
        const uint EnhancedPacketBlock = 6;
        byte[] file = File.ReadAllBytes(path);
        int count = 0;
        for (int at = 0; at + 8 <= file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 4));
            if (length < 12 || at + length > file.Length) return -1;
            if (BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at)) == EnhancedPacketBlock) count++;
            at += length;
        }

        return count;
    }
}
