using Vmm.Core.Memory;
using Vmm.Firmware.Boot;
using Vmm.TestKit;

namespace Vmm.Firmware.Tests.Boot;

public sealed class DebianKernelTests : IDisposable
{
    private readonly TestMemory _test = new(256 << 20);

    private static string Vmlinuz => Guests.Find("vmlinuz")!;

    public void Dispose() => _test.Dispose();

    [GuestFileFact("vmlinuz")]
    public void Open_BzImage_PayloadIsKnown()
    {
        using KernelImage kernel = KernelImage.Open(Vmlinuz);
        Assert.True(kernel.IsBzImage);
        Assert.True(kernel.CanUnpack);
    }

    [GuestFileFact("vmlinuz")]
    public void Unpack_BzImage_ElfThatLoadsAndHasBothEntries()
    {
        using TemporaryFile output = new([]);
        using (KernelImage kernel = KernelImage.Open(Vmlinuz)) kernel.Unpack(output.Path);
        foreach (BootProtocol protocol in new[] { BootProtocol.Linux64, BootProtocol.Pvh })
        {
            using BootLoader loader = new(new BootOptions { KernelPath = output.Path, Protocol = protocol });
            Assert.Equal(protocol, loader.Load(_test.Memory).Protocol);
        }
    }

    [GuestFileFact("vmlinuz")]
    public void Load_PackedAndUnpackedFile_SameMemory()
    {
        using TemporaryFile output = new([]);
        using (KernelImage kernel = KernelImage.Open(Vmlinuz)) kernel.Unpack(output.Path);
        using BootLoader packed = new(new BootOptions { KernelPath = Vmlinuz });
        using BootLoader unpacked = new(new BootOptions { KernelPath = output.Path });
        using TestMemory other = new(256 << 20);
        BootPlan first = packed.Load(_test.Memory);
        BootPlan second = unpacked.Load(other.Memory);
        Assert.True(first.IsUnpackedOnHost);
        Assert.Equal(second.Entry, first.Entry);
        byte[] a = new byte[1 << 20];
        byte[] b = new byte[1 << 20];
        for (ulong at = 16 << 20; at < 80 << 20; at += 1 << 20)
        {
            Assert.True(_test.Memory.TryCopyOut(new GuestAddress(at), a));
            Assert.True(other.Memory.TryCopyOut(new GuestAddress(at), b));
            Assert.True(a.AsSpan().SequenceEqual(b), $"at {at:x}");
        }
    }

    [GuestFileFact("vmlinuz")]
    public void Load_WithoutUnpacking_EntryOfTheDecompressor()
    {
        using BootLoader loader = new(new BootOptions { KernelPath = Vmlinuz, UnpackOnHost = false });
        BootPlan plan = loader.Load(_test.Memory);
        Assert.False(plan.IsUnpackedOnHost);
        Assert.Equal(0x1000200u, plan.Entry.Value);
    }

    [GuestFileFact("vmlinuz")]
    public void Load_TooLittleMemory_OneLineWithBothSizes()
    {
        using TestMemory small = new(32 << 20);
        using BootLoader loader = new(new BootOptions { KernelPath = Vmlinuz });
        BootException e = Assert.Throws<BootException>(() => loader.Load(small.Memory));
        Assert.Equal($"kernel {Vmlinuz}: needs memory up to 68 MiB, the guest has 32 MiB there", e.Message);
    }

    [GuestFileFact("vmlinuz")]
    public void Load_Unpacking_KeepsNoCopyOfTheKernel()
    {
        using BootLoader loader = new(new BootOptions { KernelPath = Vmlinuz });
        loader.Load(_test.Memory);
        long before = GC.GetAllocatedBytesForCurrentThread();
        loader.Load(_test.Memory);
        // The decoder's window, its input and small change; the kernel itself has fifty times as much.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [GuestFileFact("vmlinux")]
    public void Open_Vmlinux_IsElf()
    {
        using KernelImage kernel = KernelImage.Open(Guests.Find("vmlinux")!);
        Assert.False(kernel.IsBzImage);
    }
}
