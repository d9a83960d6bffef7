using System.Buffers.Binary;
using System.Numerics;
using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Pci;

/// <summary>Message-signalled interrupts with 64-bit addresses and a mask for each vector (PCI Local Bus 3.0 §6.8.1). Any thread may raise.</summary>
public sealed class MsiCapability : IPciCapability, IStateful<MsiState>
{
    private const int ControlOffset = 2, AddressOffset = 4, UpperAddressOffset = 8, DataOffset = 12, MaskOffset = 16, PendingOffset = 20, EndOffset = 24;
    private const int MaxVectors = 32;

    private readonly Lock _gate = new();
    private readonly int _vectors;
    private readonly uint _vectorBits;
    private PciFunction? _function;
    private MsiControl _control;
    private ulong _address;
    private ushort _data;
    private uint _mask;
    private uint _pending;

    /// <param name="vectors">1, 2, 4, 8, 16 or 32.</param>
    public MsiCapability(int vectors)
    {
        if (vectors is < 1 or > MaxVectors || !BitOperations.IsPow2(vectors)) throw new ArgumentOutOfRangeException(nameof(vectors), vectors, "MSI has 1 to 32 vectors, a power of two");
        _vectors = vectors;
        _vectorBits = (uint)((1UL << vectors) - 1);
    }

    /// <inheritdoc/>
    public byte Id => PciCapabilityId.Msi;

    /// <inheritdoc/>
    public int SizeBytes => EndOffset;

    /// <summary>Whether the guest uses messages instead of the wire.</summary>
    public bool IsEnabled => (_control & MsiControl.Enable) != 0;

    /// <inheritdoc/>
    public void Attach(PciFunction function) => _function = function;

    /// <summary>Sends the message of a vector, or keeps it while it is masked. Without effect while messages are disabled.</summary>
    public void Raise(int vector)
    {
        lock (_gate)
        {
            if (!IsEnabled || (uint)vector >= (uint)_vectors) return;
            _pending |= 1u << vector;
            SendPending();
        }
    }

    /// <inheritdoc/>
    public void Read(int offset, Span<byte> data)
    {
        lock (_gate)
        {
            Span<byte> dword = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(dword, Register(offset & ~3));
            dword.Slice(offset & 3, data.Length).CopyTo(data);
        }
    }

    /// <inheritdoc/>
    public void Write(int offset, ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            int register = offset & ~3;
            Span<byte> dword = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(dword, Register(register));
            data.CopyTo(dword[(offset & 3)..]);
            SetRegister(register, BinaryPrimitives.ReadUInt32LittleEndian(dword));
            SendPending();
        }
    }

    /// <inheritdoc/>
    public void CommandChanged()
    {
        lock (_gate) SendPending();
    }

    /// <inheritdoc/>
    public MsiState Save()
    {
        lock (_gate) return new() { Control = (ushort)_control, Address = _address, Data = _data, Mask = _mask, Pending = _pending };
    }

    /// <inheritdoc/>
    public void Restore(MsiState state)
    {
        if (state.Version != MsiState.CurrentVersion || ((state.Mask | state.Pending) & ~_vectorBits) != 0)
            throw new StateException($"MSI: state version {state.Version} cannot be restored into {_vectors} vectors");
        lock (_gate)
        {
            _control = (MsiControl)state.Control & MsiControl.Writable;
            (_address, _data, _mask, _pending) = (state.Address & ~3UL, state.Data, state.Mask, state.Pending);
        }
    }

    private uint Register(int offset) => offset switch
    {
        0 => (uint)(_control | MsiControl.Address64 | MsiControl.PerVectorMasking | (MsiControl)(BitOperations.Log2((uint)_vectors) << 1)) << 16,
        AddressOffset => (uint)_address,
        UpperAddressOffset => (uint)(_address >> 32),
        DataOffset => _data,
        MaskOffset => _mask,
        _ => _pending,
    };

    private void SetRegister(int offset, uint value)
    {
        switch (offset)
        {
            case 0:
                _control = (MsiControl)(value >> (8 * ControlOffset)) & MsiControl.Writable;
                break;
            case AddressOffset:
                _address = (_address & ~(ulong)uint.MaxValue) | (value & ~3u);
                break;
            case UpperAddressOffset:
                _address = ((ulong)value << 32) | (uint)_address;
                break;
            case DataOffset:
                _data = (ushort)value;
                break;
            case MaskOffset:
                _mask = value & _vectorBits;
                break;
            case PendingOffset:
                break;
        }
    }

    private void SendPending()
    {
        if (!IsEnabled || _function is null) return;
        uint ready = _pending & ~_mask;
        while (ready != 0)
        {
            int vector = BitOperations.TrailingZeroCount(ready);
            ready &= ready - 1;
            // The guest allotted 2^n vectors: the low n bits of the data tell them apart, and the rest share the allotted ones.
            uint allotted = Math.Min((uint)_vectors, 1u << ((int)(_control & MsiControl.MultipleMessageEnable) >> 4)) - 1;
            if (!_function.TrySend(new MsiMessage(_address, (_data & ~allotted) | ((uint)vector & allotted)))) return;
            _pending &= ~(1u << vector);
        }
    }
}
