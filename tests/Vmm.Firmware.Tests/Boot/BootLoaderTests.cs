using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Firmware.Boot;
using Vmm.TestKit;

namespace Vmm.Firmware.Tests.Boot;

public sealed class BootLoaderTests : IDisposable
{
    private const ulong MemoryBytes = 64 << 20;
    private const uint PvhEntryAddress = FakeKernel.LoadAddress + 0x20;

    private readonly TestMemory _test = new(MemoryBytes);
    private readonly byte[] _content = [.. Enumerable.Range(0, 700_000).Select(i => (byte)(i * 7 >> 4))];

    private GuestMemory Memory => _test.Memory;

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Load_BzImageAsItIs_CodeAtPreferredAddress()
    {
        byte[] image = FakeKernel.BzImage(FakeKernel.Gzip(FakeKernel.Elf64(_content)));
        BootPlan plan = Load(image, o => o with { UnpackOnHost = false });
        Assert.False(plan.IsUnpackedOnHost);
        Assert.Equal(FakeKernel.LoadAddress + 0x200u, plan.BootProcessor.Rip);
        Assert.Equal(image[FakeKernel.SetupBytes..], Bytes(FakeKernel.LoadAddress, image.Length - FakeKernel.SetupBytes));
        Assert.Equal(FakeKernel.LoadAddress + FakeKernel.InitSize, plan.KernelEnd.Value);
        Assert.Empty(plan.Notes);
    }

    [Fact]
    public void Load_ZeroPage_TellsWhatTheProtocolAsks()
    {
        byte[] image = FakeKernel.BzImage([]);
        image[0x211] |= 0x80;
        BootPlan plan = Load(image, o => o with { UnpackOnHost = false, CommandLine = "console=ttyS0 ünï" }, "070701 and so on"u8.ToArray(), new GuestAddress(0xe0000));
        byte[] zeroPage = Bytes(0x7000, 4096);
        Assert.Equal("HdrS"u8.ToArray(), zeroPage[0x202..0x206]);
        Assert.Equal(0x020f, BitConverter.ToUInt16(zeroPage, 0x206));
        Assert.Equal(0xff, zeroPage[0x210]);
        Assert.Equal(1, zeroPage[0x211]);
        Assert.Equal(0, zeroPage[0x1ef]);
        Assert.Equal(0xe0000u, BitConverter.ToUInt64(zeroPage, 0x70));
        Assert.Equal(plan.Initrd!.Value.Value, BitConverter.ToUInt32(zeroPage, 0x218));
        Assert.Equal(16u, BitConverter.ToUInt32(zeroPage, 0x21c));
        Assert.Equal(0x20000u, BitConverter.ToUInt32(zeroPage, 0x228));
        Assert.Equal("console=ttyS0 ünï\0"u8.ToArray(), Bytes(0x20000, 20));
        Assert.Equal(4, zeroPage[0x1e8]);
        Assert.Equal(0x100000u, BitConverter.ToUInt64(zeroPage, 0x2d0 + (3 * 20)));
        Assert.Equal(MemoryBytes - 0x100000, BitConverter.ToUInt64(zeroPage, 0x2d0 + (3 * 20) + 8));
        Assert.Equal(1u, BitConverter.ToUInt32(zeroPage, 0x2d0 + (3 * 20) + 16));
        Assert.Equal(0, BitConverter.ToInt32(zeroPage, 0x2d0 + (4 * 20)));
    }

    [Fact]
    public void Load_Linux64_LongModeWithIdentityMap()
    {
        VcpuState cpu = Load(FakeKernel.BzImage([]), o => o with { UnpackOnHost = false }).BootProcessor;
        Assert.Equal(0x7000u, cpu.Gpr[6]);
        Assert.Equal(0x80000031u, cpu.Cr0);
        Assert.Equal(0x20u, cpu.Cr4);
        Assert.Equal(0x500u, cpu.Efer);
        Assert.Equal(0xfee00900u, cpu.ApicBase);
        Assert.Equal(2u, cpu.Rflags);
        Assert.Equal(new SegmentState(0x10, 0, 0xffffffff, (SegmentAttributes)0xa09b), cpu.Cs);
        Assert.Equal(new SegmentState(0x18, 0, 0xffffffff, (SegmentAttributes)0xc093), cpu.Ds);
        Assert.Equal(0x00af9b000000ffffu, Quad(cpu.Gdtr.Base + 0x10));
        Assert.Equal(0x00cf93000000ffffu, Quad(cpu.Gdtr.Base + 0x18));
        foreach (ulong address in new ulong[] { 0, 0x1000200, 0x3fffffff, 0x40000000, 0xffffffff }) Assert.Equal(address, Translate(cpu.Cr3, address));
        Assert.Null(Translate(cpu.Cr3, 0x100000000));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("lz4")]
    [InlineData("zstd")]
    public void Load_Unpacking_PlacesSegmentsAndZeroesTheRest(string compression)
    {
        byte[] elf = FakeKernel.Elf64(_content, FakeKernel.LoadAddress, FakeKernel.LinuxNote(), FakeKernel.PvhNote(PvhEntryAddress));
        byte[] payload = compression switch { "gzip" => FakeKernel.Gzip(elf), "lz4" => FakeKernel.Lz4(elf), _ => FakeKernel.Zstd(elf) };
        Memory.TryFill(new GuestAddress(FakeKernel.LoadAddress), 1 << 20, 0xaa);
        BootPlan plan = Load(FakeKernel.BzImage(payload));
        Assert.True(plan.IsUnpackedOnHost);
        Assert.Equal(BootProtocol.Linux64, plan.Protocol);
        Assert.Equal(FakeKernel.LoadAddress + 0x10u, plan.Entry.Value);
        Assert.Equal(_content, Bytes(FakeKernel.LoadAddress, _content.Length));
        Assert.Equal(new byte[0x800], Bytes(FakeKernel.LoadAddress + (ulong)_content.Length, 0x800));
        Assert.Equal("HdrS"u8.ToArray(), Bytes(0x7202, 4));
    }

    [Fact]
    public void Load_Twice_SameMemoryAndState()
    {
        using TemporaryFile file = new(FakeKernel.BzImage(FakeKernel.Lz4(FakeKernel.Elf64(_content))));
        using BootLoader loader = new(new BootOptions { KernelPath = file.Path });
        BootPlan first = loader.Load(Memory);
        byte[] before = Bytes(0, (int)MemoryBytes);
        Memory.TryFill(new GuestAddress(FakeKernel.LoadAddress), 1 << 20, 0x55);
        Memory.TryFill(new GuestAddress(0), 0x30000, 0x55);
        BootPlan second = loader.Load(Memory);
        Assert.Equal(before.AsSpan(0x1000000, 1 << 19), Bytes(0, (int)MemoryBytes).AsSpan(0x1000000, 1 << 19));
        Assert.Equal(before[0x7000..0x8000], Bytes(BootLayout.BootParams, 0x1000));
        Assert.Equal(before[0x9000..0xf000], Bytes(BootLayout.PageTables, 0x6000));
        Assert.Equal(first.BootProcessor.ToDump(), second.BootProcessor.ToDump());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Load_Pvh_StartInfoAndFlatProtectedMode(bool narrow)
    {
        byte[] note = FakeKernel.PvhNote(PvhEntryAddress);
        byte[] image = narrow ? FakeKernel.Elf32(_content, note) : FakeKernel.Elf64(_content, FakeKernel.LoadAddress, FakeKernel.LinuxNote(), note);
        BootPlan plan = Load(image, o => o with { Protocol = BootProtocol.Pvh, CommandLine = "x" }, "070701"u8.ToArray(), new GuestAddress(0xe0000));
        VcpuState cpu = plan.BootProcessor;
        Assert.Equal(PvhEntryAddress, cpu.Rip);
        Assert.Equal(0x11u, cpu.Cr0);
        Assert.Equal(0u, cpu.Cr4);
        Assert.Equal(0u, cpu.Efer);
        Assert.Equal((SegmentAttributes)0xc09b, cpu.Cs.Attributes);
        Assert.Equal(0x67u, cpu.Tr.Limit);
        byte[] info = Bytes(cpu.Gpr[3], 56);
        Assert.Equal(0x336ec578u, BitConverter.ToUInt32(info, 0));
        Assert.Equal(1u, BitConverter.ToUInt32(info, 4));
        Assert.Equal(1u, BitConverter.ToUInt32(info, 12));
        Assert.Equal(plan.Initrd!.Value.Value, Quad(BitConverter.ToUInt64(info, 16)));
        Assert.Equal(6u, Quad(BitConverter.ToUInt64(info, 16) + 8));
        Assert.Equal("x\0"u8.ToArray(), Bytes(BitConverter.ToUInt64(info, 24), 2));
        Assert.Equal(0xe0000u, BitConverter.ToUInt64(info, 32));
        Assert.Equal(4u, BitConverter.ToUInt32(info, 48));
        Assert.Equal(0x100000u, Quad(BitConverter.ToUInt64(info, 40) + (3 * 24)));
        Assert.Equal(_content, Bytes(FakeKernel.LoadAddress, _content.Length));
    }

    [Fact]
    public void Load_ElfWithVirtualEntry_Translated()
    {
        byte[] image = FakeKernel.Elf64(_content);
        FakeKernel.Put64(image, 24, 0xffffffff80000000 + FakeKernel.LoadAddress + 0x40);
        Assert.Equal(FakeKernel.LoadAddress + 0x40u, Load(image).Entry.Value);
    }

    [Fact]
    public void Load_AutoAndForeignPvhKernel_PvhEntry()
        => Assert.Equal(BootProtocol.Pvh, Load(FakeKernel.Elf64(_content, FakeKernel.LoadAddress, FakeKernel.PvhNote(PvhEntryAddress))).Protocol);

    [Fact]
    public void Load_XzPayload_BootsAsItIsAndSaysWhy()
    {
        BootPlan plan = Load(FakeKernel.BzImage([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, 0, 0]));
        Assert.False(plan.IsUnpackedOnHost);
        Assert.Contains("packed with xz", Assert.Single(plan.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_PayloadIsNoElf_BootsAsItIsAndSaysWhy()
    {
        BootPlan plan = Load(FakeKernel.BzImage(FakeKernel.Gzip(new byte[100])));
        Assert.False(plan.IsUnpackedOnHost);
        Assert.Contains("not an ELF image", Assert.Single(plan.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_Initrd_HighestPageBelowEveryLimit()
    {
        byte[] initrd = [.. "070701"u8, .. new byte[5000]];
        Assert.Equal(MemoryBytes - 0x2000, Load(FakeKernel.BzImage([]), null, initrd).Initrd!.Value.Value);
        byte[] limited = FakeKernel.BzImage([]);
        FakeKernel.Put32(limited, 0x22c, 0x2ffffff);
        BootPlan plan = Load(limited, null, initrd);
        Assert.Equal(0x2ffe000u, plan.Initrd!.Value.Value);
        Assert.Equal(initrd, Bytes(0x2ffe000, initrd.Length));
    }

    [Fact]
    public void Load_InitrdTooLarge_OneLineWithTheSizes()
    {
        BootException e = Assert.Throws<BootException>(() => Load(FakeKernel.BzImage([]), null, new byte[45 << 20]));
        Assert.EndsWith("has 45 MiB; beside the kernel, which ends at 20 MiB, there is room up to 64 MiB (the guest has 64 MiB)", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_UnknownInitrd_Noted()
        => Assert.Contains("neither a cpio archive", Load(FakeKernel.BzImage([]), o => o with { UnpackOnHost = false }, new byte[100]).Notes.Single(), StringComparison.Ordinal);

    [Theory]
    [InlineData(0x100000)]
    [InlineData(0x1000000)]
    [InlineData(0x1000)]
    public void Load_TooLittleMemory_OneLine(ulong sizeBytes)
    {
        using TestMemory small = new(sizeBytes);
        using TemporaryFile file = new(FakeKernel.BzImage([]));
        using BootLoader loader = new(new BootOptions { KernelPath = file.Path });
        Assert.Contains("the guest has", Assert.Throws<BootException>(() => loader.Load(small.Memory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoLowMemory_OneLineNotACrash()
    {
        using TestMemory high = new((0x100000, MemoryBytes));
        using TemporaryFile file = new(FakeKernel.BzImage([]));
        using BootLoader loader = new(new BootOptions { KernelPath = file.Path });
        Assert.Equal("boot: the guest has no memory at 0x20000 for 1 bytes", Assert.Throws<BootException>(() => loader.Load(high.Memory)).Message);
    }

    [Theory]
    [InlineData(FakeKernel.CommandLineSize, true)]
    [InlineData(FakeKernel.CommandLineSize + 1, false)]
    public void Constructor_CommandLineAtTheKernelsLimit_OnlyOneMoreIsRefused(int length, bool fits)
    {
        BootException? e = (BootException?)Record.Exception(() => Load(FakeKernel.BzImage([]), o => o with { CommandLine = new string('x', length) }));
        Assert.Equal(fits ? null : "command line: it has 101 bytes, the kernel takes at most 100", e?.Message);
    }

    [Fact]
    public void Constructor_ElfCommandLineTooLong_Refused()
        => Assert.Throws<BootException>(() => Load(FakeKernel.Elf64(_content), o => o with { CommandLine = new string('x', 2048) }));

    [Fact]
    public void Constructor_ZeroInCommandLine_Refused()
        => Assert.Throws<BootException>(() => Load(FakeKernel.BzImage([]), o => o with { CommandLine = "a\0b" }));

    [Theory]
    [InlineData("/nonexistent", "initrd /nonexistent: no such file")]
    [InlineData("/dev/null", "initrd /dev/null: the file is empty")]
    [InlineData("/tmp", "initrd /tmp: is a directory")]
    public void Constructor_BadInitrd_OneLine(string path, string message)
        => Assert.Equal(message, Assert.Throws<BootException>(() => Load(FakeKernel.BzImage([]), o => o with { InitrdPath = path })).Message);

    [Fact]
    public void Constructor_PvhWithoutNote_Refused()
        => Assert.Contains("has no PVH entry", Fail(FakeKernel.Elf64(_content), BootProtocol.Pvh), StringComparison.Ordinal);

    [Fact]
    public void Constructor_PvhNotePointsNowhere_Refused()
        => Assert.Contains("has no PVH entry", Fail(FakeKernel.Elf64(_content, FakeKernel.LoadAddress, FakeKernel.PvhNote(0x200000)), BootProtocol.Pvh), StringComparison.Ordinal);

    [Fact]
    public void Constructor_PvhNoteTruncated_Refused()
        => Assert.Contains("has no PVH entry", Fail(FakeKernel.Elf64(_content, FakeKernel.LoadAddress, FakeKernel.PvhNote(PvhEntryAddress)[..^2]), BootProtocol.Pvh), StringComparison.Ordinal);

    [Fact]
    public void Constructor_Elf32WithoutNote_Refused()
        => Assert.EndsWith("is a 32-bit kernel without a PVH entry", Fail(FakeKernel.Elf32(_content), BootProtocol.Auto), StringComparison.Ordinal);

    [Fact]
    public void Constructor_Elf32And64BitEntry_Refused()
        => Assert.EndsWith("is a 32-bit kernel, it has no 64-bit entry", Fail(FakeKernel.Elf32(_content, FakeKernel.PvhNote(PvhEntryAddress)), BootProtocol.Linux64), StringComparison.Ordinal);

    [Fact]
    public void Constructor_PvhInsideXz_Refused()
        => Assert.Contains("cannot be unpacked here (xz)", Fail(FakeKernel.BzImage([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, 0, 0]), BootProtocol.Pvh), StringComparison.Ordinal);

    [Fact]
    public void Constructor_EntryOutsideSegments_Refused()
    {
        byte[] image = FakeKernel.Elf64(_content);
        FakeKernel.Put64(image, 24, 0x1234);
        Assert.EndsWith("has no entry point inside its segments", Fail(image, BootProtocol.Auto), StringComparison.Ordinal);
    }

    private string Fail(byte[] kernel, BootProtocol protocol)
        => Assert.Throws<BootException>(() => Load(kernel, o => o with { Protocol = protocol })).Message;

    private BootPlan Load(byte[] kernel, Func<BootOptions, BootOptions>? change = null, byte[]? initrd = null, GuestAddress? rsdp = null)
    {
        using TemporaryFile kernelFile = new(kernel);
        using TemporaryFile initrdFile = new(initrd ?? []);
        BootOptions options = new() { KernelPath = kernelFile.Path, InitrdPath = initrd is null ? null : initrdFile.Path };
        using BootLoader loader = new(change is null ? options : change(options));
        return loader.Load(Memory, rsdp);
    }

    private byte[] Bytes(ulong at, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(Memory.TryCopyOut(new GuestAddress(at), bytes));
        return bytes;
    }

    private ulong Quad(ulong at)
    {
        Assert.True(Memory.TryRead(new GuestAddress(at), out ulong value));
        return value;
    }

    /// <summary>A page walk of its own: four levels, large pages at the second.</summary>
    private ulong? Translate(ulong cr3, ulong address)
    {
        ulong table = cr3;
        foreach (int shift in new[] { 39, 30, 21 })
        {
            ulong entry = Quad(table + ((address >> shift & 511) * 8));
            if ((entry & 3) != 3) return null;
            if (shift == 21 && (entry & 0x80) != 0) return (entry & ~0x1fffffUL) + (address & 0x1fffff);
            table = entry & ~0xfffUL;
        }

        return null;
    }
}
