using Vmm.Core.Hypervisor;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

/// <summary>An interrupt fabric on buses, with vCPUs that only count.</summary>
internal sealed class FabricBench
{
    public const ulong Apic = LocalApicPage.DefaultAddress;

    public FabricBench(int vcpus = 1)
    {
        Fabric = new InterruptFabric(Clock);
        Guest.Ports.Attach(0x20, 2, Fabric.Pic, I8259Pic.MasterRegion);
        Guest.Ports.Attach(0xa0, 2, Fabric.Pic, I8259Pic.SlaveRegion);
        Guest.Ports.Attach(0x4d0, 2, Fabric.Pic, I8259Pic.ElcrRegion);
        Guest.Mmio.Attach(IoApic.DefaultAddress, IoApic.SizeBytes, Fabric.IoApic);
        Guest.Mmio.Attach(Apic, LocalApicPage.SizeBytes, Fabric.ApicPage);
        Signals = [.. Enumerable.Range(0, vcpus).Select(_ => new FakeVcpuSignals(Clock))];
        Apics = [.. Enumerable.Range(0, vcpus).Select(i => Fabric.CreateLocalApic(i, Signals[i]))];
    }

    public FakeClock Clock { get; } = new();
    public GuestDriver Guest { get; } = new();
    public InterruptFabric Fabric { get; }
    public FakeVcpuSignals[] Signals { get; }
    public ILocalApic[] Apics { get; }

    public uint ReadApic(int register, int vcpu = 0) => Guest.On(vcpu).Load32(Apic + (ulong)register * 16);

    public void WriteApic(int register, uint value, int vcpu = 0) => Guest.On(vcpu).Store32(Apic + (ulong)register * 16, value);

    /// <summary>Spurious vector 0xff and the enable bit.</summary>
    public FabricBench Enable()
    {
        for (int i = 0; i < Apics.Length; i++) WriteApic(ApicRegister.SVR, 0x1ff, i);
        return this;
    }

    public FabricBench EnableX2Apic()
    {
        foreach (ILocalApic apic in Apics)
        {
            Assert.True(apic.TrySetApicBase(apic.ApicBase | 0xc00));
            Assert.True(apic.TryWriteMsr(0x80f, 0x1ff));
        }

        return this;
    }

    public void WriteIoApic(byte register, uint value)
    {
        Guest.Store32(IoApic.DefaultAddress, register);
        Guest.Store32(IoApic.DefaultAddress + 0x10, value);
    }

    public uint ReadIoApic(byte register)
    {
        Guest.Store32(IoApic.DefaultAddress, register);
        return Guest.Load32(IoApic.DefaultAddress + 0x10);
    }

    public void Redirect(int pin, ulong entry)
    {
        WriteIoApic((byte)(0x11 + pin * 2), (uint)(entry >> 32));
        WriteIoApic((byte)(0x10 + pin * 2), (uint)entry);
    }

    /// <summary>ICW1 to ICW4 as Linux writes them: vectors 0x30 and 0x38, all unmasked.</summary>
    public void InitializePic(byte icw4 = 1)
    {
        foreach ((ushort port, byte vector, byte wiring) in new (ushort, byte, byte)[] { (0x20, 0x30, 4), (0xa0, 0x38, 2) })
        {
            Guest.Out8(port, 0x11);
            Guest.Out8((ushort)(port + 1), vector);
            Guest.Out8((ushort)(port + 1), wiring);
            Guest.Out8((ushort)(port + 1), icw4);
            Guest.Out8((ushort)(port + 1), 0);
        }
    }

    /// <summary>The vector taken by a vCPU, or -1.</summary>
    public int Acknowledge(int vcpu = 0)
    {
        if (!Apics[vcpu].HasInterrupt) return -1;
        return Apics[vcpu].TryAcknowledge(out byte vector) ? vector : -1;
    }

    public void EndOfInterrupt(int vcpu = 0) => WriteApic(ApicRegister.EOI, 0, vcpu);
}
