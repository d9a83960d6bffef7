using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Pci.Tests;

public class PciStateTests
{
    private const int HostileAccesses = 150_000;

    [Fact]
    public void State_Restored_SameRegistersMappingsAndWiresWithoutEdge()
    {
        PciBench bench = Configured();
        PciBench fresh = new();
        StateContract.Check(bench.Function, fresh.Function);
        StateContract.Check(bench.Msix, fresh.Msix);
        StateContract.Check(bench.MsiVectors, fresh.MsiVectors);
        StateContract.Check(bench.Bridge, fresh.Bridge);
        Assert.Equal(bench.Guest.Mmio.Ranges, fresh.Guest.Mmio.Ranges);
        Assert.True(fresh.Links[0].IsAsserted);
        Assert.Equal(0, fresh.Links[0].RisingEdges);
    }

    [Fact]
    public void State_OfAnotherFunction_Refused()
    {
        PciBench bench = Configured();
        Assert.Throws<StateException>(() => bench.Bridge.Function.Restore(bench.Function.Save()));
        Assert.Throws<StateException>(() => bench.Function.Restore(bench.Function.Save() with { Version = 9 }));
        Assert.Throws<StateException>(() => bench.Function.Restore(bench.Function.Save() with { Config = new byte[10] }));
        Assert.Throws<StateException>(() => new MsixTable(3, 0).Restore(bench.Msix.Save()));
        Assert.Throws<StateException>(() => bench.MsiVectors.Restore(new MsiState { Mask = 0x10 }));
        Assert.Throws<StateException>(() => bench.Bridge.Restore(new PciHostBridgeState { Version = 0 }));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Hostile_RandomAccesses_NeverThrowAndKeepTheContract(int seed)
    {
        PciBench bench = new();
        HostileGuest guest = new(seed)
        {
            Meanwhile = random =>
            {
                int vector = random.Next(80);
                bench.Msix.Raise(vector);
                bench.MsiVectors.Raise(vector % 8);
                bench.Function.SetInterrupt(random.Next(2) == 0);
                // A random register of the function through the ports, so that BARs move often.
                int offset = random.Next(0x16) * 4;
                bench.Config.Write32(offset, (uint)random.NextInt64() & (random.Next(2) == 0 ? uint.MaxValue : 0xdfffffff) | (random.Next(2) == 0 ? 0xc0000000 : 0));
                if (random.Next(4) == 0) bench.Config.Command((ushort)random.Next(0x800));
                if (random.Next(64) == 0) bench.Function.Restore(bench.Function.Save());
            },
        };
        FakeClock clock = new();
        // The ranges move: look at them anew from time to time.
        for (int round = 0; round < 150; round++) guest.Torment(HostileAccesses / 150, clock, bench.Guest.Ports, bench.Guest.Mmio);
        PciBench fresh = new();
        StateContract.Check(bench.Function, fresh.Function);
        StateContract.Check(bench.Msix, fresh.Msix);
        StateContract.Check(bench.MsiVectors, fresh.MsiVectors);
        Assert.Equal(0x10421af4u, bench.Config.Read32(0));
    }

    [Fact]
    public void Accesses_OnceWarm_AllocateNothing()
    {
        PciBench bench = Configured();
        bench.Guest.Ports.Diagnostics = null;
        Touch(bench);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Touch(bench);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Touch(PciBench bench)
    {
        bench.Config.Read32(0);
        bench.Config.Read16(PciBench.MsixOffset + 2);
        bench.Guest.Load32(PciBench.Ecam + (3 << 15));
        bench.Guest.Store32(0xc000_0000, 0xfee0_0000);
        bench.Function.SetInterrupt(false);
        bench.Function.SetInterrupt(true);
        bench.Msix.Raise(3);
    }

    private static PciBench Configured()
    {
        PciBench bench = new();
        bench.Bus.PlaceBars();
        bench.Config.Command(7);
        bench.Config.Write16(PciBench.MsixOffset + 2, 0xc000);
        bench.Msix.Raise(3);
        bench.Function.SetInterrupt(true);
        return bench;
    }
}
