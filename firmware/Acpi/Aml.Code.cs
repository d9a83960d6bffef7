namespace Vmm.Firmware.Acpi;

/// <content>What stands in control methods, and the fields that they work on. Operands and targets are callbacks that write one term each.</content>
public sealed partial class Aml
{
    private const byte Local0Op = 0x60;
    private const byte Arg0Op = 0x68;
    private const byte StoreOp = 0x70;
    private const byte AndOp = 0x7b;
    private const byte OrOp = 0x7d;
    private const byte NotifyOp = 0x86;
    private const byte CreateDWordFieldOp = 0x8a;
    private const byte LNotOp = 0x92;
    private const byte LEqualOp = 0x93;
    private const byte IfOp = 0xa0;
    private const byte ElseOp = 0xa1;
    private const byte OpRegionOp = 0x80;
    private const byte FieldOp = 0x81;
    private const byte NoTarget = ZeroOp;
    private const byte SystemIoSpace = 1;
    private const byte DWordAccess = 3;
    private const byte WriteAsZeros = 2 << 5;
    private const int LocalCount = 8;

    /// <summary>A range of I/O ports under a name.</summary>
    public Aml PortRegion(string path, ushort port, byte count)
        => Byte(ExtOpPrefix).Byte(OpRegionOp).NameString(path).Byte(SystemIoSpace).Integer(port).Integer(count);

    /// <summary>Gives the doublewords of a region names, first to last; each access is a whole one.</summary>
    public Aml DWordFields(string region, params ReadOnlySpan<string> names)
    {
        Aml content = new Aml().NameString(region).Byte(DWordAccess | WriteAsZeros);
        foreach (string name in names)
        {
            content.Segment(name);
            content.Byte(sizeof(uint) * 8);
        }

        return Byte(ExtOpPrefix).Byte(FieldOp).Sized(content.Bytes);
    }

    /// <summary>Gives a doubleword of a buffer a name.</summary>
    public Aml CreateDWordField(Action<Aml> buffer, int offset, string name) => Term(CreateDWordFieldOp, buffer).Integer((ulong)offset).NameString(name);

    /// <summary>An object by its name; as a statement, the call of a method without arguments.</summary>
    public Aml Reference(string path) => NameString(path);

    /// <summary>A local variable of a method, 0 to 7.</summary>
    public Aml Local(int number)
    {
        if ((uint)number >= LocalCount) throw new ArgumentOutOfRangeException(nameof(number), number, "a method has locals 0 to 7");
        return Byte((byte)(Local0Op + number));
    }

    /// <summary>An argument of a method, 0 to 6.</summary>
    public Aml Argument(int number)
    {
        if ((uint)number >= MaxMethodArguments) throw new ArgumentOutOfRangeException(nameof(number), number, "a method has arguments 0 to 6");
        return Byte((byte)(Arg0Op + number));
    }

    /// <summary>A UUID in a buffer, as ToUUID makes it.</summary>
    public Aml Uuid(Guid id) => Buffer(id.ToByteArray());

    /// <summary>Copies a value.</summary>
    public Aml Store(Action<Aml> value, Action<Aml> target)
    {
        Term(StoreOp, value);
        target(this);
        return this;
    }

    /// <summary>Bitwise and; the result goes to a target, or is only a value.</summary>
    public Aml And(Action<Aml> left, Action<Aml> right, Action<Aml>? target = null) => Operation(AndOp, left, right, target);

    /// <summary>Bitwise or.</summary>
    public Aml Or(Action<Aml> left, Action<Aml> right, Action<Aml>? target = null) => Operation(OrOp, left, right, target);

    /// <summary>True when both are equal.</summary>
    public Aml Equal(Action<Aml> left, Action<Aml> right)
    {
        Term(LEqualOp, left);
        right(this);
        return this;
    }

    /// <summary>True when the value is zero.</summary>
    public Aml Not(Action<Aml> value) => Term(LNotOp, value);

    /// <summary>Statements for when a value is not zero.</summary>
    public Aml If(Action<Aml> predicate, Action<Aml> body) => Container(IfOp, predicate, body);

    /// <summary>Statements for when the value of the <see cref="If"/> right before is zero.</summary>
    public Aml Else(Action<Aml> body) => Container(ElseOp, _ => { }, body);

    /// <summary>Tells the system that something happened to a device (ACPI 6.5 §5.6.6).</summary>
    public Aml Notify(string path, byte what) => Byte(NotifyOp).NameString(path).Integer(what);

    private Aml Term(byte op, Action<Aml> operand)
    {
        Byte(op);
        operand(this);
        return this;
    }

    private Aml Operation(byte op, Action<Aml> left, Action<Aml> right, Action<Aml>? target)
    {
        Term(op, left);
        right(this);
        if (target is null) return Byte(NoTarget);
        target(this);
        return this;
    }
}
