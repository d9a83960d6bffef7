using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Bus;
using Vmm.Core.Memory;
using Vmm.Core.State;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The configuration channel that SeaBIOS, OVMF and Linux know (QEMU docs/specs/fw_cfg): numbered items and named files, read through a
/// data port or by DMA. Twelve ports from 0x510. Items are added before the machine runs; the guest cannot write them.
/// </summary>
public sealed class FwCfg : IBusDevice, IStateful<FwCfgState>
{
    /// <summary>First port.</summary>
    public const ushort Port = 0x510;

    /// <summary>Ports taken.</summary>
    public const ulong PortCount = 12;

    private const ulong DmaSignature = 0x51454d5520434647; // "QEMU CFG"
    private const int DmaRequestBytes = 16;
    private const int FileEntryBytes = 64;
    private const int FileNameBytes = 56;

    // Reads beyond an item's end give zeros; a DMA request gets no more of them than this.
    private const uint MaxPaddingBytes = 1 << 20;

    private readonly GuestMemory _memory;
    private readonly Dictionary<ushort, ReadOnlyMemory<byte>> _items = [];
    private readonly List<(string Name, int Size)> _files = [];
    private ReadOnlyMemory<byte> _current;
    private ushort _key;
    private int _position;
    private uint _dmaHigh;

    /// <param name="memory">For DMA.</param>
    public FwCfg(GuestMemory memory)
    {
        _memory = memory;
        _items[FwCfgKey.SIGNATURE] = "QEMU"u8.ToArray();
        byte[] features = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(features, (uint)(FwCfgFeatures.Traditional | FwCfgFeatures.Dma));
        _items[FwCfgKey.ID] = features;
        BuildDirectory();
        Select(FwCfgKey.SIGNATURE);
    }

    /// <summary>Adds a numbered item.</summary>
    /// <exception cref="ArgumentException">The number is taken or belongs to files.</exception>
    public void Add(ushort key, ReadOnlyMemory<byte> content)
    {
        if (key is FwCfgKey.FILE_DIR or >= FwCfgKey.FILE_FIRST || !_items.TryAdd(key, content))
            throw new ArgumentException($"fw_cfg item 0x{key:x} is taken", nameof(key));
    }

    /// <summary>Adds a named file.</summary>
    /// <exception cref="ArgumentException">The name is taken, too long or not ASCII.</exception>
    public void AddFile(string name, ReadOnlyMemory<byte> content)
    {
        if (name.Length is 0 or >= FileNameBytes || !Ascii.IsValid(name) || _files.Exists(f => f.Name == name))
            throw new ArgumentException($"'{name}' cannot be the name of a new fw_cfg file", nameof(name));
        _items.Add((ushort)(FwCfgKey.FILE_FIRST + _files.Count), content);
        _files.Add((name, content.Length));
        BuildDirectory();
    }

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        int offset = (int)access.Offset;
        if (offset >= FwCfgPort.DmaHigh)
        {
            Span<byte> signature = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64BigEndian(signature, DmaSignature);
            signature.Slice(offset - FwCfgPort.DmaHigh, data.Length).CopyTo(data);
            return BusResult.Ok;
        }

        if (offset != FwCfgPort.Data) return BusResult.NoRegister;
        for (int i = 0; i < data.Length; i++) data[i] = NextByte();
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        switch ((int)access.Offset)
        {
            case FwCfgPort.Selector when data.Length == sizeof(ushort):
                Select(BinaryPrimitives.ReadUInt16LittleEndian(data));
                return BusResult.Ok;
            case FwCfgPort.DmaHigh when data.Length == sizeof(uint):
                _dmaHigh = BinaryPrimitives.ReadUInt32BigEndian(data);
                return BusResult.Ok;
            case FwCfgPort.DmaLow when data.Length == sizeof(uint):
                ulong address = (ulong)_dmaHigh << 32 | BinaryPrimitives.ReadUInt32BigEndian(data);
                _dmaHigh = 0;
                RunDma(new GuestAddress(address));
                return BusResult.Ok;
            case FwCfgPort.Data when data.Length == sizeof(byte):
                return BusResult.Ok;
            case FwCfgPort.Selector or FwCfgPort.DmaHigh or FwCfgPort.DmaLow:
                return BusResult.BadWidth;
            default:
                return BusResult.NoRegister;
        }
    }

    /// <inheritdoc/>
    public FwCfgState Save() => new() { Key = _key, Position = _position, DmaHigh = _dmaHigh };

    /// <inheritdoc/>
    public void Restore(FwCfgState state)
    {
        if (state.Version != FwCfgState.CurrentVersion) throw new StateException($"fw_cfg: state version {state.Version} cannot be restored");
        Select(state.Key);
        _position = Math.Clamp(state.Position, 0, _current.Length);
        _dmaHigh = state.DmaHigh;
    }

    private void Select(ushort key)
    {
        _key = key;
        _current = _items.GetValueOrDefault(key);
        _position = 0;
    }

    private byte NextByte() => _position < _current.Length ? _current.Span[_position++] : (byte)0;

    private void RunDma(GuestAddress request)
    {
        Span<byte> bytes = stackalloc byte[DmaRequestBytes];
        if (!_memory.TryCopyOut(request, bytes)) return;
        uint control = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]);
        GuestAddress address = new(BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));
        FwCfgDma command = (FwCfgDma)control;
        if ((command & FwCfgDma.Select) != 0) Select((ushort)(control >> 16));
        bool done = true;
        if ((command & FwCfgDma.Read) != 0) done = TryTransfer(address, length);
        else if ((command & FwCfgDma.Write) != 0) done = false;
        else if ((command & FwCfgDma.Skip) != 0) Advance(length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes, done ? 0 : (uint)FwCfgDma.Error);
        _memory.TryCopyIn(request, bytes[..sizeof(uint)]);
    }

    private bool TryTransfer(GuestAddress to, uint length)
    {
        ReadOnlySpan<byte> rest = _current.Span[_position..];
        int count = (int)Math.Min(length, (uint)rest.Length);
        uint padding = length - (uint)count;
        if (padding > MaxPaddingBytes) return false;
        if (count > 0 && !_memory.TryCopyIn(to, rest[..count])) return false;
        if (padding > 0 && !_memory.TryFill(to + (ulong)count, padding, 0)) return false;
        Advance(length);
        return true;
    }

    private void Advance(uint count) => _position = (int)Math.Min((ulong)_position + count, (ulong)_current.Length);

    private void BuildDirectory()
    {
        byte[] directory = new byte[sizeof(uint) + _files.Count * FileEntryBytes];
        BinaryPrimitives.WriteUInt32BigEndian(directory, (uint)_files.Count);
        for (int i = 0; i < _files.Count; i++)
        {
            Span<byte> entry = directory.AsSpan(sizeof(uint) + i * FileEntryBytes, FileEntryBytes);
            BinaryPrimitives.WriteUInt32BigEndian(entry, (uint)_files[i].Size);
            BinaryPrimitives.WriteUInt16BigEndian(entry[4..], (ushort)(FwCfgKey.FILE_FIRST + i));
            Encoding.ASCII.GetBytes(_files[i].Name, entry[8..]);
        }

        _items[FwCfgKey.FILE_DIR] = directory;
    }
}
