using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>General registers while a case is being made, with a note of those that must keep their value.</summary>
internal unsafe struct RegisterState
{
    private fixed ulong _values[16];
    private uint _pinned;

    public readonly ulong this[int number] => _values[number];

    public void Randomize(ref Rng rng)
    {
        _pinned = 0;
        for (int i = 0; i < 16; i++) _values[i] = ValueMixer.Integer(ref rng);
    }

    public readonly bool IsPinned(int number) => (_pinned & (1u << number)) != 0;

    /// <summary>Sets a register for good. False when it had been pinned before, to another value.</summary>
    public bool TryPin(int number, ulong value)
    {
        if (IsPinned(number)) return _values[number] == value;
        _values[number] = value;
        _pinned |= 1u << number;
        return true;
    }

    /// <summary>Keeps a register at the value it has.</summary>
    public void Pin(int number) => _pinned |= 1u << number;

    /// <summary>The register's value at the width of its name; 0 for none.</summary>
    public readonly ulong Get(Register register)
    {
        if (register == Register.None) return 0;
        if (register is >= Register.AH and <= Register.BH) return (byte)(_values[register - Register.AH] >> 8);
        ulong value = _values[Number(register)];
        return register.GetSize() switch
        {
            1 => (byte)value,
            2 => (ushort)value,
            4 => (uint)value,
            _ => value,
        };
    }

    public static int Number(Register register) => register.GetFullRegister() - Register.RAX;
}
