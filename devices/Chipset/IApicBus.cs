namespace Vmm.Devices.Chipset;

/// <summary>What a local APIC can reach: the other APICs, the IOAPIC and the 8259. No member is called with a local APIC's lock held.</summary>
internal interface IApicBus
{
    /// <summary>Delivers to whom the destination names.</summary>
    void Send(in ApicMessage message);

    /// <summary>Delivers to all, or to all but one.</summary>
    void Broadcast(in ApicMessage message, LocalApic? except);

    /// <summary>A level-triggered interrupt was handled.</summary>
    void EndOfInterrupt(byte vector);

    /// <summary>The acknowledge cycle of the 8259 pair. False: its INTR output is no longer high.</summary>
    bool TryAcknowledgeExternal(out byte vector);
}
