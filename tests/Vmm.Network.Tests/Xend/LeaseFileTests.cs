using Vmm.Network.Xend.Server;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class LeaseFileTests : IDisposable
{
    private readonly TestStore _test = new();
    private readonly FakeClock _clock = new();

    private string Path => System.IO.Path.Combine(_test.Store.Folder, "leases");

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Save_ManyAtOnce_WrittenOnceASecond_NoneLost()
    {
        using LeaseFile file = new(Path, _clock, _ => { });
        for (int i = 0; i < 500; i++) file.Save(new Ipv4Address(0x0a630002 + (uint)i), [(byte)i, (byte)(i >> 8)]);
        Assert.Equal(1, file.Writes);
        Assert.Single(Read());
        _clock.Advance(1_000_000_000);
        Assert.Equal(2, file.Writes);
        Assert.Equal(500, Read().Count);
        file.Save(new Ipv4Address(0x0a630002), [0, 0]); // as it is already
        _clock.Advance(10_000_000_000);
        Assert.Equal(2, file.Writes);
    }

    [Fact]
    public void Dispose_SoonAfterSave_Written()
    {
        using (LeaseFile file = new(Path, _clock, _ => { }))
        {
            file.Save(new Ipv4Address(0x0a630002), [1]);
            file.Save(new Ipv4Address(0x0a630003), [2]);
        }

        Assert.Equal([(new Ipv4Address(0x0a630002), "01"), (new Ipv4Address(0x0a630003), "02")], Read());
    }

    private List<(Ipv4Address, string)> Read()
    {
        using LeaseFile other = new(Path, _clock, _ => { });
        return [.. other.Load().Select(lease => (lease.Address, Convert.ToHexString(lease.Identity)))];
    }
}
