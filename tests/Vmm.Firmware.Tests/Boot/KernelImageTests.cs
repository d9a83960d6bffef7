using System.Text;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Tests.Boot;

public class KernelImageTests
{
    public static TheoryData<string, byte[]> Foreign() => new()
    {
        { "the file is empty", [] },
        { "is neither a bzImage nor an ELF kernel", [1, 2, 3, 0] },
        { "is a text file", Encoding.ASCII.GetBytes("this is not a kernel, it is a letter to a friend\n") },
        { "is a script", Encoding.ASCII.GetBytes("#!/bin/sh\n") },
        { "is a Gzip file; unpack it first", FakeKernel.Gzip(new byte[100]) },
        { "is a Zstd file; unpack it first", FakeKernel.Zstd(new byte[100]) },
        { "is a cpio archive, perhaps the initrd", Encoding.ASCII.GetBytes("070701" + new string('0', 104)) },
        { "is an EFI or DOS program without Linux's setup header", [(byte)'M', (byte)'Z', .. new byte[700]] },
        { "is an arm64 kernel", [.. new byte[56], .. "ARM\x64"u8, .. new byte[100]] },
        { "is a truncated ELF file (8 bytes)", FakeKernel.Elf64([1])[..8] },
        { "is an ELF file for arm64, not for x86-64", Changed(FakeKernel.Elf64([1]), 18, 183) },
        { "is an ELF file for i386, not for x86-64", Changed(FakeKernel.Elf64([1]), 18, 3) },
        { "is a big-endian ELF file, not for x86", Changed(FakeKernel.Elf64([1]), 5, 2) },
        { "is an ELF file of type 1, not an executable", Changed(FakeKernel.Elf64([1]), 16, 1) },
        { "is an ELF file with nothing to load", Changed(FakeKernel.Elf64([1]), 64, 0) },
        { "is an ELF file with nothing to load (an object file or a stripped debug file?)", Changed(FakeKernel.Elf64([1]), 56, 0) },
        { "has its 2 program headers at 0xff000040, beyond its first 16 KiB or its end", Changed(FakeKernel.Elf64([1]), 35, 0xff) },
        { "is truncated: a segment ends at 0x1000 + 0x64, the image at 0x1063", FakeKernel.Elf64(new byte[100])[..^1] },
        { "speaks boot protocol 1.15; a 64-bit kernel needs 2.12 or later (Linux 3.8)", Changed(FakeKernel.BzImage([]), 0x207, 1) },
        { "has no 64-bit entry: a 32-bit kernel", Changed(FakeKernel.BzImage([]), 0x236, 0) },
        { "is a zImage that loads below 1 MiB; only bzImages are supported", Changed(FakeKernel.BzImage([]), 0x211, 0) },
        { "is truncated: the header promises 2048 bytes, the file has 2047", FakeKernel.BzImage([])[..^1] },
        { "is truncated: there is no kernel after its setup code", FakeKernel.BzImage([])[..1500] },
        { "is too short for a bzImage (600 bytes)", FakeKernel.BzImage([])[..600] },
        { "its preferred address 0x1000000 does not have its own alignment 0x200001", Changed(FakeKernel.BzImage([]), 0x230, 1) },
        { "wants to be loaded at 0xff0000001000000 with 0x400000 bytes, which is not between 1 MiB and 4 GiB", Changed(FakeKernel.BzImage([]), 0x25f, 0x0f, 0x25e, 0xf0) },
        { "wants to be loaded at 0xff000000 with 0xff400000 bytes, which is not between 1 MiB and 4 GiB", Changed(FakeKernel.BzImage([]), 0x25b, 0xff, 0x263, 0xff) },
    };

    [Theory]
    [MemberData(nameof(Foreign))]
    public void Open_ForeignFile_OneLineThatNamesIt(string why, byte[] content)
    {
        using TemporaryFile file = new(content);
        BootException e = Assert.Throws<BootException>(() => KernelImage.Open(file.Path));
        Assert.Equal($"kernel {file.Path}: {why}", e.Message);
    }

    [Theory]
    [InlineData("/nonexistent/kernel", "no such file")]
    [InlineData("/", "is a directory")]
    [InlineData("/dev/null", "the file is empty")]
    public void Open_NoFile_OneLine(string path, string why)
        => Assert.Equal($"kernel {path}: {why}", Assert.Throws<BootException>(() => KernelImage.Open(path)).Message);

    [Fact]
    public void Open_OverlappingSegments_Refused()
    {
        byte[] image = FakeKernel.Elf64(new byte[100]);
        image.AsSpan(64, 56).CopyTo(image.AsSpan(64 + 56));
        using TemporaryFile file = new(image);
        Assert.EndsWith("has segments that overlap at 0x1000000", Assert.Throws<BootException>(() => KernelImage.Open(file.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64 + 24, 0x1000UL)]
    [InlineData(64 + 24, 0xfffffffffffff000UL)]
    [InlineData(64 + 40, 0xffffffffff000000UL)]
    [InlineData(64 + 40, 0x100000000UL)]
    [InlineData(64 + 40, 99UL)]
    [InlineData(64 + 32, 0xffffffffffffffffUL)]
    [InlineData(64 + 8, 0xffffffffffffffffUL)]
    public void Open_AbsurdSegment_Refused(int at, ulong value)
    {
        byte[] image = FakeKernel.Elf64(new byte[100]);
        FakeKernel.Put64(image, at, value);
        using TemporaryFile file = new(image);
        Assert.Throws<BootException>(() => KernelImage.Open(file.Path));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    [InlineData("elf")]
    public void Unpack_KnownCompression_GivesThePayload(string compression)
    {
        byte[] elf = FakeKernel.Elf64(Enumerable.Range(0, 700_000).Select(i => (byte)(i / 3)).ToArray());
        using TemporaryFile file = new(compression == "elf" ? elf : FakeKernel.BzImage(Pack(compression, elf)));
        using TemporaryFile output = new([]);
        using KernelImage kernel = KernelImage.Open(file.Path);
        kernel.Unpack(output.Path);
        Assert.Equal(elf, File.ReadAllBytes(output.Path));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void Unpack_Bomb_StopsAtInitSizeAndLeavesTheTargetAlone(string compression)
    {
        using TemporaryFile file = new(FakeKernel.BzImage(Pack(compression, new byte[FakeKernel.InitSize + 1])));
        using TemporaryFile output = new("before"u8);
        using KernelImage kernel = KernelImage.Open(file.Path);
        BootException e = Assert.Throws<BootException>(() => kernel.Unpack(output.Path));
        Assert.Equal($"kernel {file.Path}: its payload unpacks to more than init_size allows", e.Message);
        Assert.Equal("before", File.ReadAllText(output.Path));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(output.Path)!, Path.GetFileName(output.Path) + "*"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void Unpack_DamagedPayload_OneLine(string compression)
    {
        byte[] packed = Pack(compression, Enumerable.Range(0, 100_000).Select(i => (byte)(i * i >> 7)).ToArray());
        packed.AsSpan((packed.Length / 2)..^4).Clear();
        using TemporaryFile file = new(FakeKernel.BzImage(packed));
        using TemporaryFile output = new([]);
        using KernelImage kernel = KernelImage.Open(file.Path);
        BootException e = Assert.Throws<BootException>(() => kernel.Unpack(output.Path));
        Assert.StartsWith($"kernel {file.Path}: its payload is damaged: ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void Unpack_WrongSizePromised_OneLine(string compression)
    {
        byte[] packed = Pack(compression, new byte[100_000]);
        packed[^2] ^= 1;
        using TemporaryFile file = new(FakeKernel.BzImage(packed));
        using TemporaryFile output = new([]);
        using KernelImage kernel = KernelImage.Open(file.Path);
        Assert.Contains("its payload is damaged: ", Assert.Throws<BootException>(() => kernel.Unpack(output.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unpack_XzPayload_SaysThatItCannot()
    {
        using TemporaryFile file = new(FakeKernel.BzImage([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, 1, 2, 3, 4]));
        using KernelImage kernel = KernelImage.Open(file.Path);
        Assert.Equal(PayloadCompression.Xz, kernel.Compression);
        Assert.False(kernel.CanUnpack);
        Assert.EndsWith("its payload cannot be unpacked here (Xz)", Assert.Throws<BootException>(() => kernel.Unpack("/tmp/never")).Message, StringComparison.Ordinal);
    }

    private static byte[] Pack(string compression, byte[] bytes) => compression switch
    {
        "gzip" => FakeKernel.Gzip(bytes),
        "lz4" => FakeKernel.Lz4(bytes),
        _ => FakeKernel.Zstd(bytes),
    };

    private static byte[] Changed(byte[] image, params ReadOnlySpan<int> changes)
    {
        for (int i = 0; i < changes.Length; i += 2) image[changes[i]] = (byte)changes[i + 1];
        return image;
    }
}
