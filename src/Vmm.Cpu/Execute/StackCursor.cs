using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// Pushes and pops that become visible together: the stack pointer moves in here, and only <see cref="Commit"/> writes it back, so that a fault
/// half-way leaves RSP alone.
/// </summary>
internal unsafe struct StackCursor
{
    private readonly Cpu _cpu;
    private readonly ulong _base;
    private readonly bool _flat;
    private readonly ulong _mask;
    private readonly int _way;
    private readonly SegmentCache _inner;
    private readonly bool _limited;
    private ulong _pointer;

    /// <summary>The current stack.</summary>
    public StackCursor(Cpu cpu)
    {
        CpuState* s = cpu.S;
        _cpu = cpu;
        _flat = cpu.Is64;
        _mask = _flat ? ulong.MaxValue : (s->Mode & CpuMode.BigStack) != 0 ? uint.MaxValue : 0xffffu;
        _base = _flat ? 0 : s->R[Reg.SegmentBase + Seg.Ss];
        _pointer = s->R[Reg.Rsp];
        _way = -1;
    }

    /// <summary>Another stack, flat and with given rights (a stack switch on the way to another privilege level).</summary>
    public StackCursor(Cpu cpu, ulong stackBase, ulong pointer, ulong mask, int way)
    {
        _cpu = cpu;
        _flat = true;
        _mask = mask;
        _base = stackBase;
        _pointer = pointer;
        _way = way;
    }

    /// <summary>The stack of an inner privilege level of 32-bit code, with the limit of its segment.</summary>
    public StackCursor(Cpu cpu, in Descriptor descriptor, ushort selector, ulong pointer, int way)
        : this(cpu, descriptor.Base32, pointer, descriptor.IsBig ? uint.MaxValue : 0xffffu, way)
    {
        _inner = descriptor.ToCache(selector);
        _limited = true;
    }

    /// <summary>The stack pointer so far.</summary>
    public readonly ulong Pointer => _pointer;

    public bool Push(int size, ulong value)
    {
        ulong next = ((_pointer - (uint)size) & _mask) | (_pointer & ~_mask);
        if (!_flat && !AddressFamily.Check(_cpu, Seg.Ss, (uint)(next & _mask), size, true)) return false;
        if (_limited && !AddressFamily.Allows(_inner, false, (uint)(next & _mask), size, true)) return _cpu.Raise(Vector.SS, (uint)(_inner.Selector & ~SegmentFamily.RplMask));
        ulong linear = Linear(next);
        if (_way < 0 ? !_cpu.Mem.TryWrite(linear, size, value, true) : !_cpu.Mem.TryWriteAs(_way, linear, size, value, true)) return false;
        _pointer = next;
        return true;
    }

    public bool Pop(int size, out ulong value)
    {
        value = 0;
        if (!_flat && !AddressFamily.Check(_cpu, Seg.Ss, (uint)(_pointer & _mask), size, false)) return false;
        ulong linear = Linear(_pointer);
        if (_way < 0 ? !_cpu.Mem.TryRead(linear, size, out value, true) : !_cpu.Mem.TryReadAs(_way, linear, size, out value, true)) return false;
        Skip((uint)size);
        return true;
    }

    /// <summary>Moves up without reading.</summary>
    public void Skip(ulong bytes) => _pointer = ((_pointer + bytes) & _mask) | (_pointer & ~_mask);

    public readonly void Commit() => _cpu.S->R[Reg.Rsp] = _mask == uint.MaxValue ? _pointer & uint.MaxValue : _pointer;

    private readonly ulong Linear(ulong pointer)
    {
        ulong linear = _base + (pointer & _mask);
        return _mask == ulong.MaxValue ? linear : linear & uint.MaxValue;
    }
}
