using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Capture;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Capture;

public sealed class CaptureBackendTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-capture-").FullName;
    private readonly FakeNet _fake = new();
    private readonly List<string> _notes = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Recording_BothDirections_ReadByTcpdump()
    {
        string path = Path.Combine(_folder, "a.pcapng");
        using (CaptureBackend link = Open())
        {
            using NetEnd end = new(link);
            end.Send(Arp(1));
            link.Start(path);
            end.Send(Arp(2));
            _fake.Give(0, Arp(3));
            end.Receive();
            Assert.Equal((2ul, 0ul), link.Recorded);
            link.Stop();
            Assert.Null(link.Recorded);
            end.Send(Arp(4));
        }

        using Process tcpdump = Process.Start(new ProcessStartInfo("tcpdump", ["-n", "-r", path]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string text = tcpdump.StandardOutput.ReadToEnd();
        Assert.Contains("who-has 10.0.0.2", text, StringComparison.Ordinal);
        Assert.Contains("who-has 10.0.0.3", text, StringComparison.Ordinal);
        Assert.Equal(2, text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void Recording_SnapLength_Cuts()
    {
        string path = Path.Combine(_folder, "a.pcapng");
        using CaptureBackend link = Open();
        using NetEnd end = new(link);
        link.Start(path, snapLength: 64);
        end.Send(new byte[12 + 1500]);
        link.Stop();
        long header = 28 + 16 + 4 + 4 + 8 + 4 + 4;
        Assert.Equal(header + 28 + 64 + 16 + 52, new FileInfo(path).Length);
    }

    [Fact]
    public void Recording_FullDisk_OneLineAndTheLinkGoesOn()
    {
        using CaptureBackend link = Open();
        using NetEnd end = new(link);
        link.Start("/dev/full");
        for (int i = 0; i < 1000; i++) end.Send(Arp(1));
        end.WaitFor(() =>
        {
            end.Send(Arp(1));
            lock (_notes) return _notes.Count != 0;
        });
        link.Stop();
        Assert.Single(_notes);
        Assert.Contains("/dev/full", _notes[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Recording_PlaceThatCannotBe_Refused()
    {
        using CaptureBackend link = Open();
        Assert.ThrowsAny<IOException>(() => link.Start(Path.Combine(_folder, "none", "a.pcapng")));
        Assert.Null(link.Recorded);
    }

    private CaptureBackend Open() => new(_fake, "net0", new ThreadWorkers(), line =>
    {
        lock (_notes) _notes.Add(line);
    });

    private static byte[] Arp(byte target)
    {
        byte[] arp = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, target];
        return [.. new byte[INetBackend.HeaderBytes], .. arp];
    }
}
