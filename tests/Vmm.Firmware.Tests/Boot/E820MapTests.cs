using Vmm.Core.Memory;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Tests.Boot;

public class E820MapTests
{
    private const ulong MiB = 1 << 20;
    private const ulong GiB = 1 << 30;

    [Fact]
    public void Build_OneRegion_EbdaAndTablesReservedVideoNotListed()
        => Assert.Equal(
            [
                Entry(0, 0x9fc00, E820Type.Ram),
                Entry(0x9fc00, 0xa0000, E820Type.Reserved),
                Entry(0xe0000, 0x100000, E820Type.Reserved),
                Entry(0x100000, 512 * MiB, E820Type.Ram),
            ],
            Build([(0, 512 * MiB, false)]));

    [Fact]
    public void Build_RamAbove4GiBAndRom_HoleNotListedRomReserved()
    {
        E820Entry[] entries = Build([(0, 3 * GiB, false), (4 * GiB, 2 * GiB, false), ((4 * GiB) - MiB, MiB, true)]);
        Assert.Equal(Entry(MiB, 3 * GiB, E820Type.Ram), entries[3]);
        Assert.Equal(Entry((4 * GiB) - MiB, 4 * GiB, E820Type.Reserved), entries[4]);
        Assert.Equal(Entry(4 * GiB, 6 * GiB, E820Type.Ram), entries[5]);
    }

    [Fact]
    public void Build_ReservedInsideRam_SplitsIt()
    {
        E820Entry[] entries = Build([(0, 512 * MiB, false)], Entry(64 * MiB, 65 * MiB, E820Type.AcpiNvs));
        Assert.Equal(
            [Entry(MiB, 64 * MiB, E820Type.Ram), Entry(64 * MiB, 65 * MiB, E820Type.AcpiNvs), Entry(65 * MiB, 512 * MiB, E820Type.Ram)],
            entries[3..]);
    }

    [Fact]
    public void Build_AdjacentRegions_Merged() => Assert.Equal(Entry(MiB, 64 * MiB, E820Type.Ram), Build([(0, 32 * MiB, false), (32 * MiB, 32 * MiB, false)])[^1]);

    [Theory]
    [InlineData(0x80000, 0x100000)]
    [InlineData(0x2000000, 0x2000000)]
    [InlineData(0x100000000, 0x100000000)]
    [InlineData(0x140000000, 0x100000000)]
    public void LowRamEnd_OneRegion_ItsEndBelow4GiB(ulong sizeBytes, ulong expected)
        => Assert.Equal(expected, E820Map.Build(Memory([(0, sizeBytes, false)])).LowRamEnd);

    private static E820Entry Entry(ulong start, ulong end, E820Type type) => new(new GuestAddress(start), end - start, type);

    private static E820Entry[] Build((ulong Start, ulong Size, bool Rom)[] regions, params E820Entry[] reserved)
        => E820Map.Build(Memory(regions), reserved).Entries.ToArray();

    // Nothing is read or written, so no memory need stand behind it.
    private static GuestMemory Memory((ulong Start, ulong Size, bool Rom)[] regions)
        => new(regions.Select(r => new GuestMemoryRegion(new GuestAddress(r.Start), r.Size, 0, IsReadOnly: r.Rom)));
}
