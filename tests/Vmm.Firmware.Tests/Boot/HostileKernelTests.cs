using System.Diagnostics;
using Vmm.Firmware.Boot;
using Vmm.TestKit;

namespace Vmm.Firmware.Tests.Boot;

/// <summary>Damaged kernels: each loads or gives one BootException with one line, in bounded time and memory.</summary>
public sealed class HostileKernelTests : IDisposable
{
    private const int Rounds = 2500;
    private static readonly uint[] Interesting = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x100000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff];

    private readonly TestMemory _test = new(32 << 20);
    private readonly string _path = Path.GetTempFileName();

    public static TheoryData<string, int> Seeds()
    {
        int fresh = Environment.TickCount;
        TheoryData<string, int> data = [];
        foreach (string kind in new[] { "elf64", "elf32", "bz-elf", "bz-lz4", "bz-gzip", "bz-zstd", "noise" })
        {
            data.Add(kind, 1);
            data.Add(kind, fresh);
        }

        return data;
    }

    public void Dispose()
    {
        _test.Dispose();
        File.Delete(_path);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Load_MutatedKernel_LoadsOrOneLine(string kind, int seed)
    {
        Random random = new(seed);
        byte[] good = Good(kind);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch time = Stopwatch.StartNew();
        int refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            byte[] image = Mutate(random, good, kind);
            File.WriteAllBytes(_path, image);
            try
            {
                using BootLoader loader = new(new BootOptions { KernelPath = _path, Protocol = (BootProtocol)random.Next(3) });
                loader.Load(_test.Memory);
            }
            catch (BootException e)
            {
                refused++;
                Assert.DoesNotContain('\n', e.Message);
                Assert.InRange(e.Message.Length, 10, 400);
            }
        }

        Assert.True(refused > Rounds / 10, $"only {refused} were refused");
        // The file itself, the reader's buffers and small change for each.
        long perRound = (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds;
        Assert.True(perRound < 1 << 20, $"{perRound} bytes allocated for each");
        Assert.True(time.Elapsed < TimeSpan.FromMinutes(3), $"took {time.Elapsed}");
    }

    private static byte[] Good(string kind)
    {
        byte[] content = [.. Enumerable.Range(0, 3000).Select(i => (byte)(i * 13 >> 3))];
        byte[][] notes = [FakeKernel.LinuxNote(), FakeKernel.PvhNote(FakeKernel.LoadAddress + 0x20)];
        byte[] elf = FakeKernel.Elf64(content, FakeKernel.LoadAddress, notes);
        return kind switch
        {
            "elf64" => elf,
            "elf32" => FakeKernel.Elf32(content, notes),
            "bz-elf" => FakeKernel.BzImage(elf),
            "bz-lz4" => FakeKernel.BzImage(FakeKernel.Lz4(elf)),
            "bz-gzip" => FakeKernel.BzImage(FakeKernel.Gzip(elf)),
            "bz-zstd" => FakeKernel.BzImage(FakeKernel.Zstd(elf)),
            _ => new byte[3000],
        };
    }

    private static byte[] Mutate(Random random, byte[] good, string kind)
    {
        byte[] image = [.. good];
        if (kind == "noise") random.NextBytes(image);
        int header = kind.StartsWith("bz", StringComparison.Ordinal) ? 0x1f1 : 0;
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            // Mostly the header, where a change means most; sometimes anywhere.
            int at = random.Next(4) == 0 ? random.Next(image.Length - 4) : header + random.Next(0x110);
            uint value = Interesting[random.Next(Interesting.Length)];
            switch (random.Next(3))
            {
                case 0:
                    image[at] = (byte)random.Next(256);
                    break;
                case 1:
                    FakeKernel.Put32(image, at, value);
                    break;
                default:
                    FakeKernel.Put16(image, at, (ushort)value);
                    break;
            }
        }

        return random.Next(4) == 0 ? image[..random.Next(image.Length)] : image;
    }
}
