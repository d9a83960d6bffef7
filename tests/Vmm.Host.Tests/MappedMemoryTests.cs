using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Tests;

public sealed unsafe class MappedMemoryTests
{
    private const ulong MiB = 1 << 20;

    [Fact]
    public void Layout_UpToThreeGiB_OnePiece()
    {
        GuestMemoryLayout.Piece piece = Assert.Single(GuestMemoryLayout.Of(3UL << 30));
        Assert.Equal(3UL << 30, piece.SizeBytes);
    }

    [Fact]
    public void Layout_AboveThreeGiB_RestFromFourGiB()
    {
        IReadOnlyList<GuestMemoryLayout.Piece> pieces = GuestMemoryLayout.Of((3UL << 30) + (2 * MiB));
        Assert.Equal(2, pieces.Count);
        Assert.Equal(new GuestMemoryLayout.Piece(new GuestAddress(4UL << 30), 2 * MiB, 3UL << 30), pieces[1]);
    }

    [Fact]
    public void RamRegions_LargeSparseGuest_FirstAndLastByteUsableInBothPieces()
    {
        ulong size = 16UL << 30;
        using MappedMemory mapped = new(size);
        GuestMemory memory = new(mapped.RamRegions());
        ulong[] addresses = [0, (3UL << 30) - 1, 4UL << 30, (17UL << 30) - 1];
        foreach (ulong at in addresses) Assert.True(memory.TryWrite(new GuestAddress(at), (byte)0x5a));
        Assert.False(memory.TryWrite(new GuestAddress(3UL << 30), (byte)1));
        Assert.False(memory.TryWrite(new GuestAddress(17UL << 30), (byte)1));
        Assert.Equal(0x5a, *(byte*)(mapped.Address + (nint)(size - 1)));
    }

    [Fact]
    public void File_MappedAgain_SharesTheBytes()
    {
        using MappedMemory mapped = new(MiB);
        *(byte*)mapped.Address = 42;
        nint second = Libc.Mmap(0, (nuint)MiB, Libc.PROT_READ, Libc.MAP_SHARED, mapped.File.Fd, 0);
        Assert.NotEqual(Libc.MAP_FAILED, second);
        Assert.Equal(42, *(byte*)second);
        Assert.Equal(0, Libc.Munmap(second, (nuint)MiB));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2 * (long)MiB)]
    public void File_Resized_RefusedBySeal(long newSize)
    {
        using MappedMemory mapped = new(MiB);
        Assert.Equal(-1, Libc.Ftruncate(mapped.File.Fd, (nint)newSize));
        Assert.Equal(Errno.EPERM, Marshal.GetLastPInvokeError());
    }

    [Theory]
    [InlineData(0UL, HugePages.None, "0 bytes")]
    [InlineData(4095UL, HugePages.None, "multiple")]
    [InlineData(4096UL, HugePages.Reserved2M, "multiple")]
    [InlineData(ulong.MaxValue - 4095, HugePages.None, "more than the possible")]
    [InlineData(1UL << 40, HugePages.Reserved2M, "huge pages")]
    public void Constructor_ImpossibleSize_OneClearLine(ulong size, HugePages pages, string expected)
    {
        LinuxException refused = Assert.Throws<LinuxException>(() => new MappedMemory(size, new MappedMemoryOptions { HugePages = pages }));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_NoDumpIsTheDefault_VmFlagsSayDontDump()
    {
        using MappedMemory quiet = new(MiB, new MappedMemoryOptions { Name = "quiet-ram" });
        using MappedMemory dumped = new(MiB, new MappedMemoryOptions { Name = "dumped-ram", InCoreDumps = true });
        Assert.Contains(" dd", VmFlags("quiet-ram"), StringComparison.Ordinal);
        Assert.DoesNotContain(" dd", VmFlags("dumped-ram"), StringComparison.Ordinal);
    }

    [Fact]
    public void Constructor_TransparentHugePages_VmFlagsSayHuge()
    {
        using MappedMemory mapped = new(4 * MiB, new MappedMemoryOptions { Name = "huge-ram", HugePages = HugePages.Transparent });
        Assert.Contains(" hg", VmFlags("huge-ram"), StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_Twice_AddressGone()
    {
        MappedMemory mapped = new(MiB);
        mapped.Dispose();
        mapped.Dispose();
        Assert.Throws<ObjectDisposedException>(() => mapped.Address);
        Assert.Throws<ObjectDisposedException>(() => mapped.File.Fd);
    }

    private static string VmFlags(string name)
        => File.ReadLines("/proc/self/smaps").SkipWhile(l => !l.Contains("memfd:" + name, StringComparison.Ordinal)).First(l => l.StartsWith("VmFlags", StringComparison.Ordinal));

    [Fact]
    public void CopyIn_ManyPagesAtOnce_MappingShowsThem()
    {
        using MappedMemory memory = new(4UL << 20);
        GuestMemory guest = new([memory.Region(new GuestAddress(0), 0, 1 << 20), memory.Region(new GuestAddress(1 << 20), 1 << 20, 3 << 20)]);
        byte[] bytes = new byte[(2 << 20) + 5];
        new Random(1).NextBytes(bytes);
        byte[] back = new byte[bytes.Length];

        Assert.True(guest.TryCopyIn(new GuestAddress(0x1003), bytes));
        Assert.True(guest.TryCopyOut(new GuestAddress(0x1003), back));
        Assert.Equal(bytes, back);
        Assert.True(guest.TryRead(new GuestAddress(0x1002), out byte before));
        Assert.Equal(0, before);
    }
}
