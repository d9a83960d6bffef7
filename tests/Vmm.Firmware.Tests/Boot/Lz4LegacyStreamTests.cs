using CsCheck;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Tests.Boot;

public class Lz4LegacyStreamTests
{
    // Runs, repeats at all distances and noise: what matches and literals of every length are made of.
    private static readonly Gen<byte[]> Content =
        Gen.Select(Gen.Int[0, 3], Gen.Int[1, 300], Gen.Byte, Gen.Int[1, 70_000]).Array[0, 40].Select(pieces =>
        {
            List<byte> all = [];
            uint noise = 1;
            foreach ((int kind, int count, byte value, int distance) in pieces)
            {
                for (int i = 0; i < count * (kind == 3 ? 100 : 1); i++)
                {
                    noise = (noise * 1664525) + 1013904223;
                    all.Add(kind switch
                    {
                        0 => value,
                        1 => (byte)(noise >> 24),
                        _ => distance <= all.Count ? all[^distance] : value,
                    });
                }
            }

            return all.ToArray();
        });

    [Fact]
    public void Read_WhatAnEncoderMade_IsTheOriginal()
        => Content.Sample(bytes => Unpack(FakeKernel.Lz4Frame(bytes)).AsSpan().SequenceEqual(bytes), iter: 2000);

    [Fact]
    public void Read_SeveralBlocks_IsTheOriginal()
    {
        byte[] bytes = new byte[(17 << 20) + 5];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)((i >> 3) * 7);
        Assert.True(Unpack(FakeKernel.Lz4Frame(bytes)).AsSpan().SequenceEqual(bytes));
    }

    [Fact]
    public void Read_DamagedFrame_InvalidDataOrBoundedOutput()
        => Gen.Select(Content, Gen.Int[0, int.MaxValue], Gen.Byte, Gen.Bool).Sample((bytes, at, value, truncate) =>
        {
            byte[] frame = FakeKernel.Lz4Frame(bytes);
            at %= frame.Length;
            if (truncate) frame = frame[..at];
            else frame[at] = value;
            try
            {
                Unpack(frame);
            }
            catch (InvalidDataException)
            {
            }
        }, iter: 3000);

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0 }, "truncated")]
    [InlineData(new byte[] { 0, 0, 0, 0 }, "an empty block")]
    [InlineData(new byte[] { 3, 0, 0, 0, 0x00, 1, 0 }, "a match outside its block")]
    [InlineData(new byte[] { 4, 0, 0, 0, 0x10, 9, 0, 0 }, "a match outside its block")]
    [InlineData(new byte[] { 4, 0, 0, 0, 0x10, 9, 1, 0 }, "a block ends with a match")]
    [InlineData(new byte[] { 2, 0, 0, 0, 0xf0, 1, 1 }, "literals run past their block")]
    public void Read_BadBlock_SaysWhy(byte[] block, string why)
    {
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => Unpack([0x02, 0x21, 0x4c, 0x18, .. block, .. new byte[64]]));
        if (why != "truncated") Assert.EndsWith(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BlockBeyond8MiB_Refused()
    {
        // One literal, then a match of distance 1 whose length goes on and on.
        byte[] block = [0x1f, 0, 1, 0, .. Enumerable.Repeat((byte)0xff, 40_000), 0, 0, 0];
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => Unpack([0x02, 0x21, 0x4c, 0x18, .. BitConverter.GetBytes(block.Length), .. block]));
        Assert.Contains("8 MiB", e.Message, StringComparison.Ordinal);
    }

    private static byte[] Unpack(byte[] frame)
    {
        using Lz4LegacyStream stream = new(new MemoryStream(frame));
        MemoryStream output = new();
        byte[] buffer = new byte[10_000];
        for (int count; (count = stream.Read(buffer)) != 0;)
        {
            output.Write(buffer.AsSpan(0, count));
            Assert.True(output.Length <= 64 << 20);
        }

        return output.ToArray();
    }
}
