namespace Vmm.Devices.Legacy;

/// <summary>What a PS/2 device has to say: 16 bytes at most; what does not fit is lost.</summary>
internal sealed class Ps2Queue
{
    public const int Capacity = 16;

    private readonly byte[] _bytes = new byte[Capacity];
    private int _first, _count;

    public int Room => Capacity - _count;

    public void Clear() => _first = _count = 0;

    public void Add(byte value)
    {
        if (_count == Capacity) return;
        _bytes[(_first + _count++) % Capacity] = value;
    }

    public bool TryTake(out byte value)
    {
        value = 0;
        if (_count == 0) return false;
        value = _bytes[_first];
        _first = (_first + 1) % Capacity;
        _count--;
        return true;
    }

    public byte[] ToArray()
    {
        byte[] result = new byte[_count];
        for (int i = 0; i < _count; i++) result[i] = _bytes[(_first + i) % Capacity];
        return result;
    }

    public void Load(byte[] bytes)
    {
        Clear();
        foreach (byte value in bytes) Add(value);
    }
}
