using System.Text;
using CsCheck;
using Vmm.Host.Serial;

namespace Vmm.Host.Tests.Serial;

public class OutputLogTests
{
    [Fact]
    public void Peek_AnyAppends_GivesTheLastBytesInOrder()
        => Gen.Select(Gen.Int[1, 40], Gen.Byte.Array[0, 60].Array[0, 12]).Sample((capacity, pieces) =>
        {
            OutputLog log = new(capacity);
            List<byte> all = [];
            foreach (byte[] piece in pieces)
            {
                log.Append(piece);
                all.AddRange(piece);
            }

            long position = 0;
            byte[] to = new byte[capacity + 5];
            int count = log.Peek(ref position, to, out long lost);

            int kept = Math.Min(capacity, all.Count);
            return count == kept && lost == all.Count - kept && position == lost && to.AsSpan(0, count).SequenceEqual(all.ToArray().AsSpan(all.Count - kept))
                && log.Head == all.Count && log.OldestKept == lost;
        });

    [Fact]
    public void Peek_ReaderKeepsUp_LosesNothing()
    {
        OutputLog log = new(8);
        long position = 0;
        StringBuilder seen = new();
        byte[] to = new byte[3];
        for (int i = 0; i < 20; i++)
        {
            log.Append(Encoding.ASCII.GetBytes($"{i % 10}"));
            int count = log.Peek(ref position, to, out long lost);
            Assert.Equal(0, lost);
            position += count;
            seen.Append(Encoding.ASCII.GetString(to, 0, count));
        }

        Assert.Equal("01234567890123456789", seen.ToString());
    }
}
