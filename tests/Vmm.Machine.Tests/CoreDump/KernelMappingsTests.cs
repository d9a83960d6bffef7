using Vmm.Core.Hypervisor;
using Vmm.Machine.CoreDump;

namespace Vmm.Machine.Tests.CoreDump;

public class KernelMappingsTests
{
    private const ulong MemoryBytes = 64 << 20;
    private const ulong Present = 1, Large = 1 << 7;

    private readonly Dictionary<ulong, ulong> _words = [];

    [Fact]
    public void Find_PagesThatTouchInBothSpaces_AreOnePiece()
    {
        Link(0x1000, 256, 0x2000);
        Link(0x2000, 0, 0x3000);
        Link(0x3000, 0, 0x4000);
        for (int i = 0; i < 4; i++) _words[0x4000 + (ulong)i * 8] = (0x10_0000 + (ulong)i * 0x1000) | Present;
        _words[0x4000 + 5 * 8] = 0x20_0000 | Present;

        Assert.Equal([new CoreSegment(0xffff_8000_0000_0000, 0x10_0000, 0x4000), new CoreSegment(0xffff_8000_0000_5000, 0x20_0000, 0x1000)], Find());
    }

    [Fact]
    public void Find_LargePages_HaveTheirSize()
    {
        Link(0x1000, 511, 0x2000);
        Link(0x2000, 510, 0x3000);
        _words[0x3000 + 8 * 8] = 0x40_0000 | Present | Large;

        Assert.Equal([new CoreSegment(0xffff_ffff_8100_0000, 0x40_0000, 2 << 20)], Find());
    }

    [Fact]
    public void Find_FiveLevels_BeginsAtTheUpperHalf()
    {
        Link(0x1000, 256, 0x2000);
        Link(0x2000, 0, 0x3000);
        Link(0x3000, 0, 0x4000);
        _words[0x4000] = 0x40_0000 | Present | Large;

        Assert.Equal([new CoreSegment(0xff00_0000_0000_0000, 0x40_0000, 2 << 20)], Find(new VcpuState { Cr0 = 1UL << 31, Efer = 1 << 10, Cr3 = 0x1000, Cr4 = 1 << 12 }));
    }

    [Fact]
    public void Find_LowerHalfAndPlacesOutsideMemory_AreLeftOut()
    {
        Link(0x1000, 0, 0x2000);
        Link(0x2000, 0, 0x3000);
        _words[0x3000] = 0 | Present | Large;
        Link(0x1000, 256, 0x5000);
        _words[0x5000] = MemoryBytes | Present | Large;

        Assert.Empty(Find());
    }

    [Fact]
    public void Find_TablesThatLeadToThemselves_Ends()
    {
        for (int i = 0; i < 512; i++) Link(0x1000, i, 0x1000);

        Assert.InRange(Find().Count, 1, 1 << 12);
    }

    [Fact]
    public void Find_PagingOff_IsEmpty() => Assert.Empty(Find(new VcpuState()));

    private void Link(ulong table, int index, ulong next) => _words[table + (ulong)index * 8] = next | Present;

    private IReadOnlyList<CoreSegment> Find(VcpuState? state = null) => KernelMappings.Find(
        state ?? new VcpuState { Cr0 = 1UL << 31, Efer = 1 << 10, Cr3 = 0x1000 },
        address => _words.GetValueOrDefault(address),
        (address, size) => address < MemoryBytes && size <= MemoryBytes - address);
}
