using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Host;

namespace Vmm.Machine.Snapshot;

/// <summary>Writes the records of a saved machine one after the other.</summary>
internal sealed class SnapshotWriter(SafeFileHandle file)
{
    private const int BufferBytes = 256 << 10;

    private readonly byte[] _extent = new byte[SnapshotFormat.ExtentBytes];
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _buffered;
    private ulong _length;

    /// <summary>Bytes of memory that were written.</summary>
    public ulong MemoryBytes { get; private set; }

    /// <summary>Bytes of the file so far.</summary>
    public ulong Length => _length;

    /// <summary>How the file begins.</summary>
    public void Begin() => Put(SnapshotFormat.Magic);

    public void Write(SnapshotRecord kind, ReadOnlySpan<byte> content) => Write(kind, [], content);

    public void Write(StateNode node)
    {
        byte[] id = Encoding.UTF8.GetBytes(node.Id);
        byte[] header = new byte[sizeof(ushort) + id.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(header, checked((ushort)id.Length));
        id.CopyTo(header, sizeof(ushort));
        Write(SnapshotRecord.Node, header, node.Json.Span);
    }

    /// <summary>All of memory but the pages of zeros.</summary>
    /// <param name="memory">The guest's RAM, which nobody changes meanwhile.</param>
    /// <param name="progress">Told of the part that is done.</param>
    /// <param name="isCancelled">Asked now and then.</param>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void WriteMemory(MappedMemory memory, Action<double>? progress, Func<bool> isCancelled)
    {
        double all = Math.Max(1, memory.AllocatedBytes);
        ulong seen = 0;
        for (ulong at = 0; memory.NextData(at, out ulong start, out ulong end); at = end)
        {
            for (ulong offset = start; offset < end; offset += SnapshotFormat.ExtentBytes)
            {
                if (isCancelled()) throw new OperationCanceledException("the guest was ended before it was saved");
                Span<byte> part = _extent.AsSpan(0, (int)Math.Min(SnapshotFormat.ExtentBytes, end - offset));
                memory.CopyOut(offset, part);
                WritePages(part, offset);
                seen += (ulong)part.Length;
                progress?.Invoke(Math.Min(1, seen / all));
            }
        }
    }

    /// <summary>How the file ends.</summary>
    public void End()
    {
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, _length);
        Write(SnapshotRecord.End, length);
        Flush();
    }

    private void WritePages(ReadOnlySpan<byte> part, ulong offset)
    {
        const int page = (int)GuestAddress.PageSize;
        Span<byte> place = stackalloc byte[SnapshotFormat.MemoryHeaderBytes];
        int begin = -1;
        for (int at = 0; at <= part.Length; at += page)
        {
            bool isZero = at == part.Length || !part.Slice(at, page).ContainsAnyExcept((byte)0);
            if (!isZero && begin < 0) begin = at;
            if (!isZero || begin < 0) continue;
            BinaryPrimitives.WriteUInt64LittleEndian(place, offset + (ulong)begin);
            Write(SnapshotRecord.Memory, place, part[begin..at]);
            MemoryBytes += (ulong)(at - begin);
            begin = -1;
        }
    }

    private void Write(SnapshotRecord kind, ReadOnlySpan<byte> header, ReadOnlySpan<byte> content)
    {
        Span<byte> record = stackalloc byte[SnapshotFormat.RecordHeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(record, (uint)kind);
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], (ulong)(header.Length + content.Length));
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], SumOf(record, header, content));
        Put(record);
        Put(header);
        Put(content);
    }

    /// <summary>The sum of a record: of its kind, its length and what it holds.</summary>
    public static uint SumOf(ReadOnlySpan<byte> record, ReadOnlySpan<byte> header, ReadOnlySpan<byte> content)
    {
        Crc32C sum = default;
        sum.Add(record[..4]);
        sum.Add(record[8..]);
        sum.Add(header);
        sum.Add(content);
        return sum.Value;
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _buffer.Length - _buffered) Flush();
        if (bytes.Length > _buffer.Length)
        {
            RandomAccess.Write(file, bytes, (long)_length);
        }
        else
        {
            bytes.CopyTo(_buffer.AsSpan(_buffered));
            _buffered += bytes.Length;
        }

        _length += (ulong)bytes.Length;
    }

    private void Flush()
    {
        RandomAccess.Write(file, _buffer.AsSpan(0, _buffered), (long)_length - _buffered);
        _buffered = 0;
    }
}
