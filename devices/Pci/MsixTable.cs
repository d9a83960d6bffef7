using System.Buffers.Binary;
using System.Numerics;
using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Pci;

/// <summary>
/// MSI-X (PCI Local Bus 3.0 §6.8.2): the capability and, in a BAR of its own, the table and the pending bits. A message that is masked,
/// or that the function may not send, stays pending and goes out as soon as it may. Any thread may raise.
/// Where the interrupt controller has routes, a vector can stand behind an eventfd that others signal. Those that only this process
/// raises do without: a call is cheaper.
/// </summary>
public sealed class MsixTable : IPciCapability, IBusDevice, IStateful<MsixState>, IDisposable
{
    /// <summary>The most vectors that a function can have.</summary>
    public const int MaxVectors = 2048;

    private const int CapabilityBytes = 12, TableRegister = 4, PbaRegister = 8;
    private const int EntryBytes = 16, UpperAddressOffset = 4, DataOffset = 8, ControlOffset = 12;
    private const uint VectorMask = 1 << 0;
    private const uint SmallestHalf = 0x1000;

    private readonly Lock _gate = new();
    private readonly int _bar;
    private readonly uint _pbaOffset;
    private readonly ulong[] _addresses;
    private readonly uint[] _data;
    private readonly bool[] _masked;
    private readonly bool[] _pending;
    private readonly IMsiRoute?[] _routes;

    // Those whose message may go now.
    private readonly IMsiRoute?[] _open;
    private PciFunction? _function;
    private bool _isDisposed;
    private MsixControl _control;

    /// <param name="vectors">1 to 2048.</param>
    /// <param name="bar">The BAR that shows table and pending bits, whole.</param>
    public MsixTable(int vectors, int bar)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vectors, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, MaxVectors);
        _bar = bar;
        _pbaOffset = Math.Max(SmallestHalf, BitOperations.RoundUpToPowerOf2((uint)vectors * EntryBytes));
        _addresses = new ulong[vectors];
        _data = new uint[vectors];
        _masked = new bool[vectors];
        _pending = new bool[vectors];
        _routes = new IMsiRoute?[vectors];
        _open = new IMsiRoute?[vectors];
        Array.Fill(_masked, true);
    }

    /// <inheritdoc/>
    public byte Id => PciCapabilityId.MsiX;

    /// <inheritdoc/>
    public int SizeBytes => CapabilityBytes;

    /// <summary>Vectors.</summary>
    public int VectorCount => _data.Length;

    /// <summary>Whether the guest uses messages instead of the wire.</summary>
    public bool IsEnabled => (_control & MsixControl.Enable) != 0;

    /// <summary><see cref="IsEnabled"/> may have changed. Raised without locks of this table, on the thread of the guest's write.</summary>
    public event Action? EnabledChanged;

    /// <summary>The BAR to add to the function.</summary>
    public PciBar NewBar() => new(_bar, PciBarKind.Memory32, 2 * _pbaOffset, this);

    /// <inheritdoc/>
    public void Attach(PciFunction function) => _function = function;

    /// <summary>Sends the message of a vector, or keeps it pending. Without effect while messages are disabled or there is no such vector.</summary>
    public void Raise(int vector)
    {
        if ((uint)vector >= (uint)_pending.Length) return;
        if (Volatile.Read(ref _open[vector]) is { } route)
        {
            // Should the guest mask it at this moment, the signal is kept.
            route.Signal();
            return;
        }

        lock (_gate)
        {
            if (!IsEnabled) return;
            _pending[vector] = true;
            SendPending(vector);
        }
    }

    /// <summary>
    /// An eventfd that raises a vector when it is signalled, for another process; -1 where the interrupt controller has none. Good until
    /// Dispose. Signals while messages are disabled are kept.
    /// </summary>
    public int Descriptor(int vector)
    {
        lock (_gate)
        {
            if (_routes[vector] is null && !_isDisposed)
            {
                _routes[vector] = _function?.TryCreateRoute();
                Follow(vector);
            }

            return _routes[vector]?.Descriptor ?? -1;
        }
    }

    /// <summary>Gives the routes back. Nothing is sent any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            for (int vector = 0; vector < VectorCount; vector++)
            {
                Volatile.Write(ref _open[vector], null);
                _routes[vector]?.Dispose();
                _routes[vector] = null;
            }
        }
    }

    /// <inheritdoc/>
    public void CommandChanged()
    {
        lock (_gate) Follow();
    }

    void IPciCapability.Read(int offset, Span<byte> data)
    {
        Span<byte> bytes = stackalloc byte[CapabilityBytes];
        bytes.Clear();
        lock (_gate) BinaryPrimitives.WriteUInt16LittleEndian(bytes[2..], (ushort)(_control | (MsixControl)(VectorCount - 1)));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[TableRegister..], (uint)_bar);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[PbaRegister..], _pbaOffset | (uint)_bar);
        bytes.Slice(offset, data.Length).CopyTo(data);
    }

    void IPciCapability.Write(int offset, ReadOnlySpan<byte> data)
    {
        // Of all the bytes only the upper one of message control takes anything.
        int index = 3 - offset;
        if (index < 0 || index >= data.Length) return;
        lock (_gate)
        {
            _control = (MsixControl)(data[index] << 8) & MsixControl.Writable;
            Follow();
        }

        EnabledChanged?.Invoke();
    }

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        if (Check(access, data.Length) is var refused and not BusResult.Ok) return refused;
        lock (_gate)
        {
            for (int i = 0; i < data.Length; i += sizeof(uint))
                BinaryPrimitives.WriteUInt32LittleEndian(data[i..], Load((uint)access.Offset + (uint)i));
        }

        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        if (Check(access, data.Length) is var refused and not BusResult.Ok) return refused;
        lock (_gate)
        {
            for (int i = 0; i < data.Length; i += sizeof(uint))
                Store((uint)access.Offset + (uint)i, BinaryPrimitives.ReadUInt32LittleEndian(data[i..]));
        }

        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public MsixState Save()
    {
        lock (_gate)
        {
            bool[] pending = [.. Enumerable.Range(0, VectorCount).Select(IsPending)];
            return new() { Control = (ushort)_control, Addresses = [.. _addresses], Data = [.. _data], Masked = [.. _masked], Pending = pending };
        }
    }

    /// <inheritdoc/>
    public void Restore(MsixState state)
    {
        bool fits = state.Addresses.Length == VectorCount && state.Data.Length == VectorCount && state.Masked.Length == VectorCount && state.Pending.Length == VectorCount;
        if (state.Version != MsixState.CurrentVersion || !fits)
            throw new StateException($"MSI-X: state version {state.Version} with {state.Data.Length} vectors cannot be restored into {VectorCount}");
        lock (_gate)
        {
            _control = (MsixControl)state.Control & MsixControl.Writable;
            state.Addresses.CopyTo(_addresses, 0);
            state.Data.CopyTo(_data, 0);
            state.Masked.CopyTo(_masked, 0);
            state.Pending.CopyTo(_pending, 0);
            Follow();
        }
    }

    private static BusResult Check(in BusAccess access, int width)
    {
        if (width is not (sizeof(uint) or sizeof(ulong))) return BusResult.BadWidth;
        return (access.Offset & (ulong)(width - 1)) == 0 ? BusResult.Ok : BusResult.Unaligned;
    }

    private uint Load(uint offset)
    {
        if (offset >= _pbaOffset) return LoadPending(offset - _pbaOffset);
        uint vector = offset / EntryBytes;
        if (vector >= VectorCount) return 0;
        return (offset % EntryBytes) switch
        {
            0 => (uint)_addresses[vector],
            UpperAddressOffset => (uint)(_addresses[vector] >> 32),
            DataOffset => _data[vector],
            _ => _masked[vector] ? VectorMask : 0,
        };
    }

    private uint LoadPending(uint offset)
    {
        uint bits = 0;
        long first = (long)offset * 8;
        for (int i = 0; i < 32 && first + i < VectorCount; i++)
        {
            if (IsPending((int)first + i)) bits |= 1u << i;
        }

        return bits;
    }

    private void Store(uint offset, uint value)
    {
        uint vector = offset / EntryBytes;
        if (offset >= _pbaOffset || vector >= VectorCount) return;
        switch (offset % EntryBytes)
        {
            case 0:
                _addresses[vector] = (_addresses[vector] & ~(ulong)uint.MaxValue) | (value & ~3u);
                break;
            case UpperAddressOffset:
                _addresses[vector] = ((ulong)value << 32) | (uint)_addresses[vector];
                break;
            case DataOffset:
                _data[vector] = value;
                break;
            case ControlOffset:
                _masked[vector] = (value & VectorMask) != 0;
                break;
        }

        Follow((int)vector);
    }

    private bool IsPending(int vector) => _pending[vector] || _routes[vector] is { IsPending: true };

    private bool MayGo(int vector)
        => IsEnabled && (_control & MsixControl.FunctionMask) == 0 && !_masked[vector] && _function is { IsBusMaster: true } && !_isDisposed;

    private void Follow()
    {
        for (int vector = 0; vector < VectorCount; vector++) Follow(vector);
    }

    /// <summary>Opens or closes the route of a vector after something has changed, and sends what waited for it.</summary>
    private void Follow(int vector)
    {
        if (!MayGo(vector))
        {
            if (_open[vector] is not { } closing) return;
            Volatile.Write(ref _open[vector], null);
            closing.Close();
            return;
        }

        IMsiRoute? route = _routes[vector];
        bool isOpen = route is not null && route.TryOpen(new MsiMessage(_addresses[vector], _data[vector]));
        Volatile.Write(ref _open[vector], isOpen ? route : null);
        SendPending(vector);
    }

    private void SendPending(int vector)
    {
        if (_pending[vector] && MayGo(vector) && _function!.TrySend(new MsiMessage(_addresses[vector], _data[vector]))) _pending[vector] = false;
    }
}
