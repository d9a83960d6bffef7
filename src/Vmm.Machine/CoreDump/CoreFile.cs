using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using Vmm.Host;
using static Vmm.Machine.CoreDump.ElfConstants;

namespace Vmm.Machine.CoreDump;

/// <summary>
/// Writes a guest that stands still to an ELF core file, for readelf, gdb and crash. Memory lies in it at its physical addresses; where the first vCPU
/// has 64-bit paging on, the kernel's half of the address space names the same bytes by its virtual addresses. Pages of zeros stay holes.
/// </summary>
internal sealed class CoreFile
{
    private const ulong PageBytes = GuestAddress.PageSize;
    private const int ChunkBytes = 1 << 20;
    private const string DraftSuffix = ".part";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly MappedMemory _memory;
    private readonly IReadOnlyList<GuestMemoryRegion> _regions;
    private readonly Func<bool> _isCancelled;
    private readonly byte[] _notes;
    private readonly List<CoreSegment> _segments = [];
    private readonly ulong _dataStart;
    private ulong _written;

    private CoreFile(MappedMemory memory, IReadOnlyList<VcpuState> vcpus, Func<bool> isCancelled)
    {
        (_memory, _isCancelled) = (memory, isCancelled);
        _regions = memory.RamRegions();
        _notes = CoreNotes.Build(vcpus);
        foreach (GuestMemoryRegion region in _regions) _segments.Add(new CoreSegment(region.Start.Value, region.Start.Value, region.SizeBytes));
        if (vcpus.Count != 0) _segments.AddRange(KernelMappings.Find(vcpus[0], ReadWord, IsMemory));
        ulong headers = HeaderBytes + (ulong)(1 + _segments.Count) * ProgramHeaderBytes + (ulong)_notes.Length;
        _dataStart = (headers + PageBytes - 1) / PageBytes * PageBytes;
    }

    /// <summary>Writes it beside its place first, so that nobody takes half of one for the whole.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    /// <exception cref="HypervisorException">The domain ended meanwhile.</exception>
    public static CoreReport Write(string path, MappedMemory memory, IReadOnlyList<VcpuState> vcpus, Func<bool> isCancelled)
    {
        CoreFile core = new(memory, vcpus, isCancelled);
        string draft = path + DraftSuffix;
        File.Delete(draft);
        try
        {
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Private, BufferSize = 0 };
            using (FileStream file = new(draft, options)) core.Write(file.SafeFileHandle);
            File.Move(draft, path, overwrite: true);
        }
        catch
        {
            File.Delete(draft);
            throw;
        }

        return new CoreReport(core._dataStart + memory.SizeBytes, core._written);
    }

    private void Write(SafeFileHandle file)
    {
        RandomAccess.SetLength(file, (long)(_dataStart + _memory.SizeBytes));
        WriteAt(file, Headers(), 0);
        byte[] chunk = new byte[ChunkBytes];
        for (ulong at = 0; _memory.NextData(at, out ulong start, out ulong end); at = end)
        {
            for (ulong offset = start; offset < end; offset += ChunkBytes)
            {
                if (_isCancelled()) throw new HypervisorException("the guest was ended before its memory was written");
                Span<byte> part = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, end - offset));
                _memory.CopyOut(offset, part);
                WritePages(file, part, _dataStart + offset);
            }
        }
    }

    private void WritePages(SafeFileHandle file, ReadOnlySpan<byte> chunk, ulong offset)
    {
        const int page = (int)PageBytes;
        int begin = -1;
        for (int at = 0; at <= chunk.Length; at += page)
        {
            bool isZero = at == chunk.Length || !chunk.Slice(at, page).ContainsAnyExcept((byte)0);
            if (!isZero && begin < 0) begin = at;
            if (!isZero || begin < 0) continue;
            WriteAt(file, chunk[begin..at], offset + (ulong)begin);
            begin = -1;
        }
    }

    private void WriteAt(SafeFileHandle file, ReadOnlySpan<byte> bytes, ulong offset)
    {
        RandomAccess.Write(file, bytes, (long)offset);
        _written += (ulong)bytes.Length;
    }

    private byte[] Headers()
    {
        int count = 1 + _segments.Count;
        byte[] headers = new byte[HeaderBytes + count * ProgramHeaderBytes + _notes.Length];
        Span<byte> elf = headers;
        Magic.CopyTo(elf);
        (elf[4], elf[5], elf[6]) = (ELFCLASS64, ELFDATA2LSB, EV_CURRENT);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[16..], ET_CORE);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[18..], EM_X86_64);
        BinaryPrimitives.WriteUInt32LittleEndian(elf[20..], EV_CURRENT);
        BinaryPrimitives.WriteUInt64LittleEndian(elf[32..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[52..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[54..], ProgramHeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[56..], checked((ushort)Math.Min(count, PN_XNUM)));
        int notesAt = HeaderBytes + count * ProgramHeaderBytes;
        WriteProgramHeader(elf[HeaderBytes..], PT_NOTE, 0, (ulong)notesAt, default, (ulong)_notes.Length);
        for (int i = 0; i < _segments.Count; i++)
        {
            CoreSegment segment = _segments[i];
            WriteProgramHeader(elf[(HeaderBytes + (1 + i) * ProgramHeaderBytes)..], PT_LOAD, PF_R | PF_W | PF_X, FileOffset(segment.PhysicalAddress), segment, segment.SizeBytes);
        }

        _notes.CopyTo(elf[notesAt..]);
        return headers;
    }

    private static void WriteProgramHeader(Span<byte> to, uint type, uint flags, ulong offset, CoreSegment segment, ulong size)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(to, type);
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], offset);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], segment.VirtualAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], segment.PhysicalAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(to[32..], size);
        BinaryPrimitives.WriteUInt64LittleEndian(to[40..], size);
        BinaryPrimitives.WriteUInt64LittleEndian(to[48..], type == PT_LOAD ? PageBytes : NoteAlignment);
    }

    private GuestMemoryRegion? Find(ulong address) => _regions.FirstOrDefault(region => address >= region.Start.Value && address < region.End);

    private bool IsMemory(ulong address, ulong size) => Find(address) is { } region && size <= region.End - address;

    private ulong FileOffset(ulong address)
    {
        GuestMemoryRegion region = Find(address)!;
        return _dataStart + region.FileOffset + (address - region.Start.Value);
    }

    private ulong ReadWord(ulong address)
    {
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        _memory.CopyOut(FileOffset(address) - _dataStart, word);
        return BinaryPrimitives.ReadUInt64LittleEndian(word);
    }
}
