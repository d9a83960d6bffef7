using Vmm.Host.Native;

namespace Vmm.Host.Tests;

public sealed class LinuxFileTests
{
    [Fact]
    public void Open_Missing_OneLineWithPathAndReason()
    {
        LinuxException refused = Assert.Throws<LinuxException>(() => LinuxFile.Open("/no/such/file", Libc.O_RDONLY));
        Assert.Equal(Errno.ENOENT, refused.Error);
        Assert.Equal("opening /no/such/file: No such file or directory (ENOENT)", refused.Message);
    }

    [Fact]
    public void WriteRead_ThroughTwoDescriptors_SameBytes()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using LinuxFile writer = LinuxFile.Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL);
            using LinuxFile reader = LinuxFile.Open(path, Libc.O_RDONLY);
            Assert.Equal(3, writer.Write([1, 2, 3]));
            byte[] buffer = new byte[8];
            Assert.Equal(3, reader.Read(buffer));
            Assert.Equal([1, 2, 3], buffer[..3]);
            Assert.Equal(0, reader.Read(buffer));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Duplicate_OriginalClosed_StillUsable()
    {
        using LinuxFile original = LinuxFile.Open("/dev/null", Libc.O_RDWR);
        using LinuxFile second = original.Duplicate();
        original.Dispose();
        Assert.Equal(1, second.Write([1]));
        Assert.Throws<ObjectDisposedException>(() => original.Fd);
    }

    [Fact]
    public void EventFd_SignalsThenDrain_CountOnce()
    {
        using EventFd notifier = new();
        Assert.Equal(0UL, notifier.Drain());
        notifier.Signal();
        notifier.Signal();
        Assert.Equal(2UL, notifier.Drain());
        Assert.Equal(0UL, notifier.Drain());
    }

    [Fact]
    public void EventFd_CountFull_SignalDoesNotBlockOrThrow()
    {
        using EventFd notifier = new();
        using LinuxFile raw = new(Libc.Fcntl(notifier.Fd, Libc.F_DUPFD_CLOEXEC, 0));
        Assert.Equal(8, raw.Write(BitConverter.GetBytes(ulong.MaxValue - 1)));
        notifier.Signal();
        Assert.Equal(ulong.MaxValue - 1, notifier.Drain());
    }
}
