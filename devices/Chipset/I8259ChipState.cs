namespace Vmm.Devices.Chipset;

/// <summary>One 8259A of the pair.</summary>
public sealed record I8259ChipState
{
    public byte Irr { get; init; }
    public byte Isr { get; init; }
    public byte Imr { get; init; }

    /// <summary>Levels of the input pins.</summary>
    public byte Pins { get; init; }

    /// <summary>Edge/level control: a set bit is level-triggered.</summary>
    public byte Elcr { get; init; }
    public byte VectorBase { get; init; }

    /// <summary>The pin with the highest priority.</summary>
    public byte Highest { get; init; }
    public byte Icw4 { get; init; }

    /// <summary>0: initialised; 1 to 3: ICW2 to ICW4 is expected next; 4: never initialised.</summary>
    public byte InitStep { get; init; }
    public bool NeedsIcw4 { get; init; }
    public bool RotatesOnAutoEoi { get; init; }
    public bool SpecialMask { get; init; }
    public bool ReadsIsr { get; init; }
    public bool Polls { get; init; }
}
