using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public sealed class FwCfgTests : IDisposable
{
    private const ulong Request = 0x1000, Target = 0x2000;
    private readonly TestMemory _memory = new(1 << 20);
    private readonly GuestDriver _guest = new();
    private readonly FwCfg _fwCfg;

    public FwCfgTests()
    {
        _fwCfg = new FwCfg(_memory.Memory);
        _fwCfg.AddFile("etc/first", "hello"u8.ToArray());
        _fwCfg.AddFile("opt/second", new byte[300]);
        _fwCfg.Add(0x05, new byte[] { 4, 0 });
        _guest.Ports.Attach(FwCfg.Port, FwCfg.PortCount, _fwCfg);
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Signature_AndFeatures_AreTraditionalAndDma()
    {
        Assert.Equal("QEMU", Encoding.ASCII.GetString(ReadItem(0, 4)));
        Assert.Equal([3, 0, 0, 0, 0], ReadItem(1, 5));
        Assert.Equal(0x554d4551u, _guest.In32(0x514));
        Assert.Equal(0x47464320u, _guest.In32(0x518));
    }

    [Fact]
    public void Directory_NamesSizesAndKeys()
    {
        byte[] directory = ReadItem(0x19, 4 + 128);
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32BigEndian(directory));
        Assert.Equal(300u, BinaryPrimitives.ReadUInt32BigEndian(directory.AsSpan(68)));
        Assert.Equal(0x21, BinaryPrimitives.ReadUInt16BigEndian(directory.AsSpan(72)));
        Assert.Equal("opt/second\0", Encoding.ASCII.GetString(directory, 76, 11));
    }

    [Fact]
    public void Data_BeyondTheItem_IsZero()
    {
        Assert.Equal("hello\0\0", Encoding.ASCII.GetString(ReadItem(0x20, 7)));
        Assert.Equal([0, 0], ReadItem(0x7777, 2));
        Assert.Equal([4, 0], ReadItem(5, 2));
    }

    [Fact]
    public void Dma_SelectAndRead_CopiesAndClearsControl()
    {
        Assert.Equal(0u, RunDma(0x0020_0000 | 8 | 2, 8, Target));
        byte[] data = new byte[8];
        Assert.True(_memory.Memory.TryCopyOut(new GuestAddress(Target), data));
        Assert.Equal("hello\0\0\0", Encoding.ASCII.GetString(data));
    }

    [Fact]
    public void Dma_SkipThenRead_StartsInTheMiddle()
    {
        Assert.Equal(0u, RunDma(0x0020_0000 | 8 | 4, 3, 0));
        Assert.Equal(0u, RunDma(2, 2, Target));
        Assert.True(_memory.Memory.TryRead(new GuestAddress(Target), out ushort data));
        Assert.Equal('l' | 'o' << 8, data);
    }

    [Theory]
    [InlineData(0x0020_000au, 5u, 0xffff_ffff_0000ul)]
    [InlineData(0x0020_000au, 0xffff_ffffu, 0x2000ul)]
    [InlineData(0x0020_0018u, 5u, 0x2000ul)]
    public void Dma_Impossible_SetsTheErrorBit(uint control, uint length, ulong address) =>
        Assert.Equal(1u, RunDma(control, length, address));

    [Theory]
    [InlineData("")]
    [InlineData("etc/first")]
    [InlineData("a-name-that-is-much-longer-than-the-fifty-five-characters-allowed")]
    public void AddFile_BadName_Throws(string name) => Assert.Throws<ArgumentException>(() => _fwCfg.AddFile(name, new byte[1]));

    [Fact]
    public void Add_TakenOrFileKey_Throws()
    {
        Assert.Throws<ArgumentException>(() => _fwCfg.Add(0, new byte[1]));
        Assert.Throws<ArgumentException>(() => _fwCfg.Add(0x20, new byte[1]));
    }

    [Fact]
    public void State_HalfRead_GoesOn()
    {
        ReadItem(0x20, 2);
        StateContract.Check(_fwCfg, _fwCfg);
        Assert.Equal((byte)'l', _guest.In8(0x511));
        Assert.Throws<StateException>(() => _fwCfg.Restore(_fwCfg.Save() with { Version = 0 }));
    }

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(510)
        {
            Meanwhile = r => RunDma((uint)r.Next(0x40) << 16 | (uint)r.Next(32), (uint)r.Next(1 << 21), (ulong)r.Next(1 << 21)),
        };
        hostile.Torment(1000, new FakeClock(), _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, new FakeClock(), _guest.Ports), 0, 100_000);
    }

    private byte[] ReadItem(ushort key, int count)
    {
        _guest.Out16(0x510, key);
        return [.. Enumerable.Range(0, count).Select(_ => _guest.In8(0x511))];
    }

    private uint RunDma(uint control, uint length, ulong address)
    {
        byte[] request = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(request, control);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(4), length);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(8), address);
        Assert.True(_memory.Memory.TryCopyIn(new GuestAddress(Request), request));
        _guest.Out32(0x518, BinaryPrimitives.ReverseEndianness((uint)Request));
        Assert.True(_memory.Memory.TryCopyOut(new GuestAddress(Request), request));
        return BinaryPrimitives.ReadUInt32BigEndian(request);
    }
}
