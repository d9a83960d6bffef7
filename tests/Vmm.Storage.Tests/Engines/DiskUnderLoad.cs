using System.Collections.Concurrent;
using Vmm.Core.Backends;

namespace Vmm.Storage.Tests.Engines;

/// <summary>
/// Many requests under way at once, each on slots of its own, which lie between those of the others: they share clusters and tables, but what
/// each must read is known.
/// </summary>
internal sealed class DiskUnderLoad : IDisposable
{
    private readonly IDiskImage _disk;
    private readonly int _slotBytes;
    private readonly Random _random;
    private readonly BlockingCollection<SlotRequest> _idle = [];
    private readonly int _requests;

    public DiskUnderLoad(IDiskImage disk, int requests, int slotBytes, int seed)
    {
        (_disk, _slotBytes, _requests, _random) = (disk, slotBytes, requests, new Random(seed));
        Content = new byte[disk.SizeBytes];
        for (int i = 0; i < requests; i++) _idle.Add(new SlotRequest(i, slotBytes, _idle.Add));
    }

    /// <summary>What the disk must hold.</summary>
    public byte[] Content { get; }

    /// <summary>Runs so many requests; at the end none is under way.</summary>
    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            SlotRequest request = Take();
            Judge(request);
            Begin(request);
            if (_random.Next(4) == 0) _disk.Submit();
        }

        _disk.Submit();
        SlotRequest[] all = [.. Enumerable.Range(0, _requests).Select(_ => Take())];
        foreach (SlotRequest request in all)
        {
            Judge(request);
            request.Count = 0;
            _idle.Add(request);
        }
    }

    public void Dispose() => _idle.Dispose();

    private SlotRequest Take()
    {
        if (_idle.TryTake(out SlotRequest? request)) return request;
        _disk.Submit();
        Assert.True(_idle.TryTake(out request, TimeSpan.FromSeconds(60)), "requests do not end");
        return request!;
    }

    private void Begin(SlotRequest request)
    {
        int slots = Content.Length / _slotBytes / _requests;
        int slot = (_random.Next(slots) * _requests + request.Owner) * _slotBytes;
        int from = _random.Next(_slotBytes / 512) * 512, count = _random.Next(1, (_slotBytes - from) / 512 + 1) * 512;
        switch (_random.Next(16))
        {
            case < 7:
                _random.NextBytes(request.Buffer[..count]);
                request.Buffer[..count].CopyTo(Content.AsSpan(slot + from));
                request.Begin(_disk, BlockOperation.Write, (ulong)(slot + from), count);
                break;
            case < 13:
                request.Begin(_disk, BlockOperation.Read, (ulong)(slot + from), count);
                break;
            case 13:
                request.Begin(_disk, BlockOperation.Flush, 0, 0);
                break;
            case 14:
                Content.AsSpan(slot + from, count).Clear();
                request.Begin(_disk, BlockOperation.WriteZeroes, (ulong)(slot + from), count, _random.Next(2) == 0);
                break;
            default:
                // A whole slot, so that clusters go; what it reads as afterwards is the old content or zeros, and is overwritten at once.
                request.Begin(_disk, BlockOperation.Discard, (ulong)slot, _slotBytes);
                break;
        }
    }

    private void Judge(SlotRequest request)
    {
        Assert.Equal(BlockResult.Ok, request.Result);
        if (request.Count == 0) return;
        Span<byte> expected = Content.AsSpan((int)request.Offset, (int)request.Count);
        if (request.Operation == BlockOperation.Discard)
        {
            byte[] read = new byte[request.Count];
            Assert.Equal(BlockResult.Ok, Vmm.Core.Memory.BlockBackendSpans.Read(_disk, request.Offset, read));
            for (int i = 0; i < read.Length; i++) Assert.True(read[i] == 0 || read[i] == expected[i], "a discarded byte is neither old nor zero");
            read.CopyTo(expected);
        }
        else if (request.Operation == BlockOperation.Read)
        {
            int same = expected.CommonPrefixLength(request.Buffer[..expected.Length]);
            Assert.True(same == expected.Length, $"read something else at 0x{request.Offset + (ulong)same:x}");
        }
    }
}
