using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Tests;

/// <summary>Random work on an image, and what its content must be then.</summary>
internal sealed class DiskModel(Random random, byte[] content)
{
    public byte[] Content { get; private set; } = content;

    public void Step(IDiskImage disk)
    {
        int offset = random.Next(Content.Length);
        int count = random.Next(1, Math.Min(Content.Length - offset, random.Next(4) == 0 ? 300_000 : 9_000) + 1);
        switch (random.Next(8))
        {
            case < 4:
                byte[] data = new byte[count];
                random.NextBytes(data);
                Assert.Equal(BlockResult.Ok, disk.Write((ulong)offset, data));
                data.CopyTo(Content, offset);
                break;
            case 4:
                Assert.Equal(BlockResult.Ok, disk.WriteZeroes((ulong)offset, (ulong)count, random.Next(2) == 0));
                Content.AsSpan(offset, count).Clear();
                break;
            case 5:
                Assert.Equal(BlockResult.Ok, disk.Discard((ulong)offset, (ulong)count));
                Discarded(disk, offset, count);
                break;
            case 6:
                Assert.Equal(BlockResult.Ok, disk.Flush());
                break;
            default:
                byte[] read = new byte[count];
                Assert.Equal(BlockResult.Ok, disk.Read((ulong)offset, read));
                Assert.True(read.AsSpan().SequenceEqual(Content.AsSpan(offset, count)), $"different content at {offset}+{count}");
                break;
        }
    }

    public void Resize(IDiskImage disk, int sizeBytes)
    {
        disk.Resize((ulong)sizeBytes);
        byte[] content = new byte[sizeBytes];
        Content.AsSpan(0, Math.Min(sizeBytes, Content.Length)).CopyTo(content);
        Content = content;
    }

    public void Verify(IDiskImage disk)
    {
        Assert.Equal((ulong)Content.Length, disk.SizeBytes);
        byte[] read = new byte[Content.Length];
        Assert.Equal(BlockResult.Ok, disk.Read(0, read));
        int at = read.AsSpan().CommonPrefixLength(Content);
        Assert.True(at == read.Length, $"different content at {at:x}");
    }

    public DiskModel Fork() => new(random, [.. Content]);

    // What was discarded is the old content or zeros, sector by sector.
    private void Discarded(IDiskImage disk, int offset, int count)
    {
        byte[] read = new byte[count];
        Assert.Equal(BlockResult.Ok, disk.Read((ulong)offset, read));
        for (int i = 0; i < count; i++) Assert.True(read[i] == 0 || read[i] == Content[offset + i], "a discarded byte is neither old nor zero");
        read.CopyTo(Content, offset);
    }
}
