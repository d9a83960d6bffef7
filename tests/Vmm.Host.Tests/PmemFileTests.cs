using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Host.Tests;

public sealed unsafe class PmemFileTests : IDisposable
{
    private const ulong Size = 4UL << 20;

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-pmem-").FullName;
    private readonly List<string> _notes = [];

    private string FilePath => Path.Combine(_directory, "file");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Stores_Flushed_AreInTheFileAndThereNextTime()
    {
        using (PmemFile first = Open(Size))
        {
            Memory(first)[12345] = 77;
            Assert.Equal(BlockResult.Ok, first.Flush());
            Assert.Equal(77, ReadByte(12345));
        }

        using PmemFile second = Open(null);
        Assert.Equal((Size, (byte)77), (second.SizeBytes, Memory(second)[12345]));
        Assert.True(second.Region(new GuestAddress(1UL << 32)).IsDevice);
    }

    [Fact]
    public void ReadOnly_Stores_NeverReachTheFileAndFlushSaysSo()
    {
        File.WriteAllBytes(FilePath, new byte[Size]);
        using PmemFile file = PmemFile.Open(FilePath, null, readOnly: true, _notes.Add);
        Memory(file)[5] = 9;
        Assert.Equal((9, BlockResult.ReadOnly), (Memory(file)[5], file.Flush()));
        Assert.Equal(0, ReadByte(5));
        Assert.Equal(-1, file.Region(new GuestAddress(1UL << 32)).FileDescriptor);
    }

    [Theory]
    [InlineData(1000, null, "multiple of 2 MiB")]
    [InlineData(0, null, "multiple of 2 MiB")]
    [InlineData(8 << 20, 4 << 20, "more than")]
    public void Size_ThatCannotBe_ALineThatSaysSo(int length, int? wanted, string why)
    {
        File.WriteAllBytes(FilePath, new byte[length]);
        LinuxException e = Assert.Throws<LinuxException>(() => Open((ulong?)wanted));
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_Twice_RefusedBecauseItIsInUse()
    {
        using PmemFile file = Open(Size);
        Assert.Contains("in use", Assert.Throws<LinuxException>(() => Open(null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void File_CutShortByOthers_ReadsZerosFlushFailsAndOneNote()
    {
        using PmemFile file = Open(Size);
        Memory(file)[0] = 1;
        Memory(file)[3 << 20] = 2;
        file.Flush();
        using (FileStream other = new(FilePath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)) other.SetLength(1 << 20);
        // Without the guard this would be the end of the process.
        Assert.Equal((1, 0), (Memory(file)[0], Memory(file)[3 << 20]));
        Memory(file)[3 << 20] = 3;
        Assert.Equal(3, Memory(file)[3 << 20]);
        GuestMemory guest = new([file.Region(new GuestAddress(0))]);
        byte[] bytes = new byte[8192];
        Assert.True(guest.TryCopyOut(new GuestAddress(2 << 20), bytes));
        Assert.Equal((BlockResult.IoError, BlockResult.IoError), (file.Flush(), file.Flush()));
        Assert.Contains("cut short", Assert.Single(_notes), StringComparison.Ordinal);
    }

    private static Span<byte> Memory(PmemFile file) => new((void*)file.Region(new GuestAddress(0)).HostAddress, (int)file.SizeBytes);

    private PmemFile Open(ulong? size) => PmemFile.Open(FilePath, size, readOnly: false, _notes.Add);

    private int ReadByte(long at)
    {
        using FileStream stream = new(FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = at;
        return stream.ReadByte();
    }
}
