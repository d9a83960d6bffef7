using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Host;
using Vmm.Machine.Config;

namespace Vmm.Machine.Snapshot;

/// <summary>
/// The file of a saved machine, open for a machine to be restored from. It may come from anybody: everything in front of memory is read and
/// judged at once, memory when it is asked for. Give it to <see cref="GuestMachine"/>, then dispose it.
/// </summary>
public sealed class SnapshotReader : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly ulong _fileBytes;
    private readonly List<StateNode> _nodes = [];
    private readonly List<SavedVcpu> _vcpus = [];
    private readonly byte[] _header = new byte[SnapshotFormat.RecordHeaderBytes];
    private ulong _at;
    private SnapshotRecord _kind;
    private ulong _bytes;

    private SnapshotReader(SafeFileHandle file, string path)
    {
        (_file, _path) = (file, path);
        _fileBytes = (ulong)RandomAccess.GetLength(file);
        ReadMagic();
        Owner = ReadWhole(SnapshotRecord.Owner);
        Config = ParseConfig(ReadWhole(SnapshotRecord.Config));
        Manifest = Parse(ReadWhole(SnapshotRecord.Manifest), SnapshotJson.Default.SnapshotManifest, "the manifest");
        if (Manifest.Version != SnapshotManifest.CurrentVersion) throw Bad($"a manifest of version {Manifest.Version} is unknown");
        NextHeader();
        while (_kind == SnapshotRecord.Node) AddNode();
        while (_kind == SnapshotRecord.Vcpu) AddVcpu();
        if (_vcpus.Count != Manifest.Vcpus) throw Bad($"it holds {_vcpus.Count} vCPUs instead of {Manifest.Vcpus}");
    }

    /// <summary>What the program that saved the machine wanted to know again.</summary>
    public ReadOnlyMemory<byte> Owner { get; }

    /// <summary>The machine's configuration with the devices as they were.</summary>
    public MachineConfig Config { get; }

    internal SnapshotManifest Manifest { get; }

    /// <summary>The time on the wall when the machine was saved.</summary>
    internal DateTimeOffset WallClock => new(Manifest.UtcTicks, TimeSpan.Zero);

    internal IReadOnlyList<StateNode> Nodes => _nodes;

    /// <summary>Opens a file.</summary>
    /// <exception cref="StateException">It holds no saved machine, or a broken one.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SnapshotReader Open(string path)
    {
        SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.SequentialScan);
        try
        {
            return new SnapshotReader(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file begins as that of a saved machine does.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static bool LooksLikeOne(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path);
        Span<byte> begin = stackalloc byte[SnapshotFormat.NameBytes];
        return RandomAccess.Read(file, begin, 0) == begin.Length && begin.SequenceEqual(SnapshotFormat.Magic[..SnapshotFormat.NameBytes]);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>What CPUID told a vCPU of the guest.</summary>
    internal CpuidTable CpuidOf(int vcpu) => new(_vcpus[vcpu].Cpuid);

    /// <summary>The states of the vCPUs, in the order of their indices.</summary>
    /// <exception cref="StateException">One cannot be.</exception>
    internal VcpuState[] VcpuStates() => [.. _vcpus.Select((vcpu, i) => vcpu.ToState($"{_path}: vCPU {i}"))];

    /// <summary>Fills memory, which reads as zero, and judges the rest of the file. Once.</summary>
    /// <exception cref="StateException">The rest of the file is broken.</exception>
    internal void ReadMemory(MappedMemory memory, Action<double>? progress)
    {
        byte[] extent = new byte[SnapshotFormat.MemoryHeaderBytes + SnapshotFormat.ExtentBytes];
        ulong next = 0;
        while (_kind == SnapshotRecord.Memory)
        {
            if (_bytes <= SnapshotFormat.MemoryHeaderBytes || _bytes > (ulong)extent.Length) throw Bad($"a record of memory with {_bytes} bytes cannot be");
            Span<byte> record = extent.AsSpan(0, (int)_bytes);
            ReadContent(record);
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(record);
            ReadOnlySpan<byte> pages = record[SnapshotFormat.MemoryHeaderBytes..];
            bool isPlace = ((offset | (uint)pages.Length) & (GuestAddress.PageSize - 1)) == 0 && offset >= next && offset <= memory.SizeBytes && (ulong)pages.Length <= memory.SizeBytes - offset;
            if (!isPlace) throw Bad($"{pages.Length} bytes of memory at 0x{offset:x} are not in order");
            memory.CopyIn(offset, pages);
            next = offset + (ulong)pages.Length;
            progress?.Invoke((double)_at / _fileBytes);
            NextHeader();
        }

        ReadEnd();
    }

    private void ReadMagic()
    {
        Span<byte> begin = stackalloc byte[SnapshotFormat.Magic.Length];
        int count = RandomAccess.Read(_file, begin, 0);
        bool isOne = count >= SnapshotFormat.NameBytes && begin[..SnapshotFormat.NameBytes].SequenceEqual(SnapshotFormat.Magic[..SnapshotFormat.NameBytes]);
        if (!isOne) throw Bad("it holds no saved domain");
        if (count < begin.Length) throw Bad("it ends in the middle");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(begin[SnapshotFormat.NameBytes..]);
        if (!begin.SequenceEqual(SnapshotFormat.Magic)) throw Bad($"a saved domain of format {version} is unknown here");
        _at = (ulong)begin.Length;
    }

    private byte[] ReadWhole(SnapshotRecord kind)
    {
        NextHeader();
        if (_kind != kind) throw Bad($"there is a record of kind {(uint)_kind} in the place of '{kind}'");
        return ReadWhole();
    }

    private byte[] ReadWhole()
    {
        if (_bytes > SnapshotFormat.MostRecordBytes) throw Bad($"a record of kind '{_kind}' with {_bytes} bytes is too long");
        byte[] content = new byte[_bytes];
        ReadContent(content);
        return content;
    }

    private void AddNode()
    {
        byte[] content = ReadWhole();
        int length = content.Length < sizeof(ushort) ? int.MaxValue : BinaryPrimitives.ReadUInt16LittleEndian(content);
        if (length > content.Length - sizeof(ushort)) throw Bad("a state has no name");
        if (_nodes.Count == SnapshotFormat.MostRecords) throw Bad($"more than {SnapshotFormat.MostRecords} states are too many");
        _nodes.Add(new StateNode(Encoding.UTF8.GetString(content, sizeof(ushort), length), content.AsMemory(sizeof(ushort) + length)));
        NextHeader();
    }

    private void AddVcpu()
    {
        if (_vcpus.Count == ConfigValidator.MostVcpus) throw Bad($"more than {ConfigValidator.MostVcpus} vCPUs are too many");
        _vcpus.Add(Parse(ReadWhole(), SnapshotJson.Default.SavedVcpu, $"vCPU {_vcpus.Count}"));
        NextHeader();
    }

    private void ReadEnd()
    {
        ulong length = _at - SnapshotFormat.RecordHeaderBytes;
        if (_kind != SnapshotRecord.End || _bytes != sizeof(ulong)) throw Bad($"there is a record of kind {(uint)_kind} in the place of '{SnapshotRecord.End}'");
        if (BinaryPrimitives.ReadUInt64LittleEndian(ReadWhole()) != length) throw Bad("a part of it is missing");
        if (_at != _fileBytes) throw Bad($"{_fileBytes - _at} bytes stand behind its end");
    }

    private void NextHeader()
    {
        if (_fileBytes - _at < SnapshotFormat.RecordHeaderBytes) throw Bad("it ends in the middle");
        Fill(_header, _at);
        _at += SnapshotFormat.RecordHeaderBytes;
        _kind = (SnapshotRecord)BinaryPrimitives.ReadUInt32LittleEndian(_header);
        _bytes = BinaryPrimitives.ReadUInt64LittleEndian(_header.AsSpan(8));
        if (_bytes > _fileBytes - _at) throw Bad("it ends in the middle");
    }

    private void ReadContent(Span<byte> content)
    {
        ulong start = _at - SnapshotFormat.RecordHeaderBytes;
        Fill(content, _at);
        _at += (ulong)content.Length;
        if (SnapshotWriter.SumOf(_header, [], content) != BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(4)))
            throw Bad($"the bytes from {start} on are not those that were written (a checksum differs)");
    }

    private void Fill(Span<byte> to, ulong offset)
    {
        for (int done = 0; done < to.Length;)
        {
            int count = RandomAccess.Read(_file, to[done..], (long)offset + done);
            if (count <= 0) throw Bad("it becomes shorter while it is read");
            done += count;
        }
    }

    private MachineConfig ParseConfig(byte[] json)
    {
        try
        {
            return Parse(json, ConfigJson.Default.MachineConfig, "the configuration");
        }
        catch (NotSupportedException e)
        {
            // A link of no kind.
            throw Bad($"the configuration cannot be read: {e.Message.ReplaceLineEndings(" ")}");
        }
    }

    private T Parse<T>(byte[] json, JsonTypeInfo<T> form, string what) where T : class => StateJson.Parse(json, form, $"{_path}: {what}");

    private StateException Bad(string what) => new($"{_path}: {what}");
}
