using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio.Block;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.DeviceModel.Tests;

/// <summary>A front end that sends anything: the back end goes on for the next one.</summary>
public sealed class HostileFrontEndTests : IDisposable
{
    private const int Messages = 100_000;

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"vhost-{Guid.NewGuid():n}");
    private readonly EpollLoop _loop = new("loop", _ => { });
    private readonly MemoryDisk _disk = new(1 << 20);
    private readonly VirtioBlock _device;
    private readonly VhostUserServer _server;
    private readonly MappedMemory _ram = new(4 << 20);
    private int _notes;

    public HostileFrontEndTests()
    {
        _device = new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 64 }, new ThreadWorkers());
        _server = new VhostUserServer(_device, new UnixListener(_path), _loop, _ => Interlocked.Increment(ref _notes));
    }

    public void Dispose()
    {
        _server.Dispose();
        _device.Dispose();
        _loop.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void RandomMessages_WithAnyDescriptors_NeverEndTheServer()
    {
        Random random = new(99);
        using EventFd eventFd = new();
        using SharedMapping small = SharedMapping.Create("small", 4096, out LinuxFile smallFile);
        using FileStream regular = new(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 4096, FileOptions.DeleteOnClose);
        (UnixChannel socket, UnixChannel other) = UnixChannel.Pair();
        int[] descriptors = [eventFd.Fd, eventFd.Fd, smallFile.Fd, _ram.File.Fd, _ram.File.Fd, (int)regular.SafeFileHandle.DangerousGetHandle(), socket.Fd];
        VhostUserConnection? connection = null;
        using VhostUserMessage message = new();
        byte[] sink = new byte[4096];
        int connections = 0;
        for (int i = 0; i < Messages; i++)
        {
            if (connection is null)
            {
                connection = new VhostUserConnection(UnixChannel.Connect(_path));
                connections++;
                try
                {
                    if (random.Next(8) != 0) connection.Negotiate();
                    if (random.Next(2) == 0) Prepare(connection, random, eventFd);
                }
                catch (VhostUserException)
                {
                    // Refused.
                }
            }

            bool isAlive = Send(connection.Channel, random, message, descriptors);
            Drain(connection.Channel, sink);
            if (isAlive && !connection.Channel.IsEnded && random.Next(200) != 0) continue;
            connection.Dispose();
            connection = null;
        }

        connection?.Dispose();
        socket.Dispose();
        other.Dispose();
        smallFile.Dispose();
        Assert.True(connections > 100, $"{connections}");
        // No more lines than a few for each connection.
        Assert.InRange(_notes, 1, connections * 17);
        AssertServes();
    }

    [Fact]
    public void Memory_ThatIsCutShort_ReadsAsZerosAndEndsNobody()
    {
        string path = Path.GetTempFileName();
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 4096, FileOptions.DeleteOnClose);
        file.SetLength(1 << 20);
        using LinuxFile handle = LinuxFile.Standard((int)file.SafeFileHandle.DangerousGetHandle()).Duplicate();
        using SharedMapping mapping = SharedMapping.Map(handle, 0, 1 << 20, "test");
        mapping.Write(0x8000, 42);
        Assert.Equal(42, mapping.Read<int>(0x8000));
        file.SetLength(4096);
        Assert.Equal(0, mapping.Read<int>(0x8000));
        mapping.Write(0x9000, 43);
        Assert.Equal(43, mapping.Read<int>(0x9000));
    }

    [Theory]
    [InlineData(0UL, 8UL << 20, 0UL)]
    [InlineData(0UL, 4096UL, 8UL << 20)]
    [InlineData(0UL, ulong.MaxValue - 4095, 4096UL)]
    [InlineData(4097UL, 4096UL, 0UL)]
    [InlineData(0UL, 0UL, 0UL)]
    [InlineData(ulong.MaxValue - 4095, 8192UL, 0UL)]
    public void Memory_ThatCannotBe_IsRefused(ulong guest, ulong size, ulong offset)
    {
        using VhostUserConnection connection = new(UnixChannel.Connect(_path));
        connection.Negotiate();
        VhostUserException refusal = Assert.Throws<VhostUserException>(() => connection.AddMemory(new MemoryRegionDescription(guest, size, guest, offset), _ram.File.Fd));
        Assert.Contains("refuses ADD_MEM_REG", refusal.Message, StringComparison.Ordinal);
        // It was not the end.
        Assert.Equal((ulong)ServedMemory.MostRegions, connection.GetMemorySlots());
    }

    [Fact]
    public void Memory_RegionsThatOverlap_AreRefused()
    {
        using VhostUserConnection connection = new(UnixChannel.Connect(_path));
        connection.Negotiate();
        connection.AddMemory(new MemoryRegionDescription(0x10000, 0x10000, 0x10000, 0), _ram.File.Fd);
        Assert.Throws<VhostUserException>(() => connection.AddMemory(new MemoryRegionDescription(0x18000, 0x10000, 0x80000, 0), _ram.File.Fd));
        connection.RemoveMemory(new MemoryRegionDescription(0x10000, 0x10000, 0x10000, 0));
        Assert.Throws<VhostUserException>(() => connection.RemoveMemory(new MemoryRegionDescription(0x10000, 0x10000, 0x10000, 0)));
    }

    private void AssertServes()
    {
        using GuestRun run = new(_path);
        Assert.Equal(0, run.Read(3));
    }

    /// <summary>Far enough that the rest of the messages meets rings that run.</summary>
    private void Prepare(VhostUserConnection connection, Random random, EventFd eventFd)
    {
        bool isPacked = random.Next(2) == 0;
        connection.SetFeatures((1UL << 32) | (isPacked ? 1UL << 34 : 0));
        connection.SetMemory(new GuestMemory(_ram.RamRegions()).Regions);
        if (random.Next(2) == 0)
        {
            (InflightDescription description, LinuxFile file) = connection.GetInflight(2, 64);
            using (file) connection.SetInflight(description, file);
        }

        connection.StartRing(0, new() { Size = 64, Descriptors = 0x1000, Available = 0x3000, Used = 0x4000 }, isPacked ? 0x8000_8000 : 0, eventFd.Fd, eventFd.Fd, eventFd.Fd);
    }

    private static bool Send(UnixChannel channel, Random random, VhostUserMessage message, int[] descriptors)
    {
        Span<byte> payload = stackalloc byte[random.Next(6) switch { 0 => 0, 1 => 8, 2 => 8, 3 => 40, 4 => 20, _ => random.Next(320) }];
        random.NextBytes(payload);
        // Small numbers are more often near the truth.
        for (int i = 0; i + 4 <= payload.Length; i += 4)
        {
            if (random.Next(2) == 0) MemoryMarshal.Write(payload[i..], random.Next(4) == 0 ? (uint)random.Next(0x100000) & ~0xfffu : (uint)random.Next(4));
        }

        message.Begin(random.Next(50) == 0 ? (uint)random.Next() : (uint)random.Next(1, 44), random.Next(3) == 0 ? VhostUserFlags.NeedReply : VhostUserFlags.None);
        message.Add(payload);
        int[] sent = new int[random.Next(4) switch { 0 => 1, 1 => random.Next(9), _ => 0 }];
        for (int i = 0; i < sent.Length; i++) sent[i] = descriptors[random.Next(descriptors.Length)];
        if (random.Next(500) != 0) return message.TrySend(channel, sent, 1000);
        // Cut short, or no message at all.
        byte[] noise = new byte[random.Next(1, 64)];
        random.NextBytes(noise);
        channel.TrySend(noise, sent, 1000);
        return false;
    }

    private static void Drain(UnixChannel channel, byte[] sink)
    {
        List<LinuxFile> files = [];
        while (channel.HasBytes && !channel.IsEnded && channel.TryReceive(sink.AsSpan(0, 1), files, 0))
        {
        }

        foreach (LinuxFile file in files) file.Dispose();
    }
}
