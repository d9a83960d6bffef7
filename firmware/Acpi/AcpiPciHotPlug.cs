namespace Vmm.Firmware.Acpi;

/// <summary>
/// Hot-plug on the PCI root: a device object for each slot (_SUN, _STA, _EJ0) and the event that tells of arrivals and of requests to leave.
/// The controller has four doublewords, a bit for each slot: arrived and asked to leave (each read, then cleared by writing ones back), eject, present.
/// </summary>
public sealed record AcpiPciHotPlug
{
    private const byte DeviceCheck = 1;
    private const byte EjectRequest = 3;
    private const ulong StatusPresent = 0xf;
    private const int DeviceCount = 32;
    private const byte PortCount = 4 * sizeof(uint);
    private const string Region = "PHPR", Arrived = "PCIU", Leaving = "PCID", Eject = "PCEJ", Present = "PCPR", Scan = "PCNT";

    /// <summary>The controller's first port.</summary>
    public required ushort Port { get; init; }

    /// <summary>The general-purpose event that it raises, 0 to 15.</summary>
    public required int Event { get; init; }

    /// <summary>A bit for each device number that is a slot.</summary>
    public required uint Slots { get; init; }

    private IEnumerable<int> SlotNumbers => Enumerable.Range(0, DeviceCount).Where(n => (Slots & Mask(n)) != 0);

    /// <summary>Adds the controller and the slots to the root's device object.</summary>
    internal void AddSlots(Aml root)
    {
        root.Device("HPCT", d => d.HardwareId("PNP0A06").Name("_UID", v => v.String("PCI hot-plug")).Name("_STA", StatusPresent)
            .CurrentResources(r => r.Io(Port, PortCount)));
        root.PortRegion(Region, Port, PortCount).DWordFields(Region, Arrived, Leaving, Eject, Present);
        foreach (int slot in SlotNumbers) AddSlot(root, slot);
        root.Method(Scan, 0, isSerialized: true, method =>
        {
            // Cleared before anybody is told, so that what comes meanwhile raises the event again.
            Take(method, Arrived, 0);
            Take(method, Leaving, 1);
            foreach (int slot in SlotNumbers)
            {
                method.If(Test(v => v.Local(0), slot), then => then.Notify(Name(slot), DeviceCheck));
                method.If(Test(v => v.Local(1), slot), then => then.Notify(Name(slot), EjectRequest));
            }
        });
    }

    /// <summary>Adds the event's handler.</summary>
    /// <param name="aml">The table.</param>
    /// <param name="root">Path of the root's device object.</param>
    internal void AddEvent(Aml aml, string root)
        => aml.Scope("\\_GPE", events => events.Method($"_E{Event:X2}", 0, isSerialized: false, method => method.Reference($"{root}.{Scan}")));

    private static void AddSlot(Aml root, int slot) => root.Device(Name(slot), d => d
        .Name("_ADR", (ulong)slot << 16)
        .Name("_SUN", (ulong)slot)
        .Method("_STA", 0, isSerialized: false, method =>
        {
            method.If(Test(v => v.Reference(Present), slot), then => then.Return(v => v.Integer(StatusPresent)));
            method.Return(v => v.Integer(0));
        })
        .Method("_EJ0", 1, isSerialized: false, method => method.Store(v => v.Integer(Mask(slot)), t => t.Reference(Eject))));

    private static void Take(Aml method, string register, int local)
        => method.Store(v => v.Reference(register), t => t.Local(local)).Store(v => v.Local(local), t => t.Reference(register));

    private static Action<Aml> Test(Action<Aml> value, int slot) => aml => aml.And(value, v => v.Integer(Mask(slot)));

    private static string Name(int slot) => $"SL{slot:X2}";

    private static uint Mask(int slot) => 1u << slot;
}
