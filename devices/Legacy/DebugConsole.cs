using Vmm.Core.Backends;
using Vmm.Core.Bus;
using Vmm.Core.State;

namespace Vmm.Devices.Legacy;

/// <summary>
/// The one-port console of Bochs (0xe9) and of firmware builds (0x402): a byte written is a character, a read gives 0xe9 so that guests
/// find it. Output goes out by lines.
/// </summary>
public sealed class DebugConsole(ICharBackend backend) : BytePortDevice, IStateful<DebugConsoleState>
{
    /// <summary>The port of Bochs.</summary>
    public const ushort BochsPort = 0xe9;

    /// <summary>The port of SeaBIOS and OVMF.</summary>
    public const ushort FirmwarePort = 0x402;

    private const byte Signature = 0xe9;
    private const int MaxLineBytes = 256;

    private readonly byte[] _line = new byte[MaxLineBytes];
    private int _length;

    /// <summary>Sends an unfinished line, when the machine stops.</summary>
    public void Flush()
    {
        if (_length > 0) backend.Write(_line.AsSpan(0, _length));
        _length = 0;
    }

    /// <inheritdoc/>
    public DebugConsoleState Save() => new() { Line = _line[.._length] };

    /// <inheritdoc/>
    public void Restore(DebugConsoleState state)
    {
        if (state.Version != DebugConsoleState.CurrentVersion || state.Line.Length >= MaxLineBytes)
            throw new StateException($"debug console: state version {state.Version} with {state.Line.Length} bytes cannot be restored");
        state.Line.CopyTo(_line, 0);
        _length = state.Line.Length;
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset) => Signature;

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        _line[_length++] = value;
        if (value == '\n' || _length == MaxLineBytes) Flush();
    }
}
