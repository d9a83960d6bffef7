using Vmm.DeviceModel.Control;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Served;

namespace Vmm.Machine.Tests.Served;

/// <summary>The other end of a control channel may send anything.</summary>
public sealed class ControlPeerTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly UnixChannel _ours, _theirs;
    private readonly ControlChannel _channel;

    public ControlPeerTests()
    {
        (_ours, _theirs) = UnixChannel.Pair();
        _channel = new ControlChannel(_theirs);
    }

    public void Dispose()
    {
        _channel.Dispose();
        _ours.Dispose();
    }

    [Theory]
    [InlineData("ffffffff")]
    [InlineData("01000400")]
    [InlineData("05000000" + "68656c6c6f")]
    [InlineData("02000000" + "7b7d")]
    [InlineData("04000000" + "6e756c6c")]
    [InlineData("0500")]
    public async Task Receive_Nonsense_EndsTheChannelAndItsRequests(string hex)
    {
        ControlPeer peer = new(_channel);
        Task<ControlAnswer?> asked = peer.Ask(new() { Verb = ControlVerb.Report });
        Assert.True(_ours.TrySend(Convert.FromHexString(hex), [], 1000));
        _ours.Shutdown();

        peer.Receive((_, _) => Assert.Fail("it was taken for a message"));

        Assert.True(asked.IsCompleted);
        Assert.Null(await asked);
        Assert.Null(await peer.Ask(new() { Verb = ControlVerb.Report }));
    }

    [Fact]
    public void Receive_AnswersToNothing_AreIgnored()
    {
        ControlPeer peer = new(_channel), other = new(new ControlChannel(_ours));
        using LinuxFile file = EventFile();
        other.Answer(new() { Verb = ControlVerb.Report, Number = 77 }, () => (null, file.Duplicate()));
        other.Tell(new() { Verb = ControlVerb.Note, Text = "after" });
        _ours.Shutdown();
        List<string?> notes = [];

        peer.Receive((message, _) => notes.Add(message.Text));

        Assert.Equal(["after"], notes);
    }

    [Fact]
    public async Task Server_WhatNobodyWouldAsk_IsAnsweredAndDoesNoHarm()
    {
        using EpollLoop loop = new("served", _ => { });
        using DeviceModelServer server = new(_theirs, loop);
        Thread serving = new(server.Run);
        serving.Start();
        ControlPeer peer = new(new ControlChannel(_ours));
        Thread hearing = new(() => peer.Receive((_, files) => ControlPeer.Close(files)));
        hearing.Start();
        MachineConfig machine = new() { Boot = new BootConfig { Kernel = "" } };
        using LinuxFile file = EventFile();
        (ControlMessage Message, int[] Files)[] strange =
        [
            (new() { Verb = ControlVerb.Add }, []),
            (new() { Verb = ControlVerb.Add, Device = "a", Machine = machine }, [file.Fd]),
            (new() { Verb = ControlVerb.Add, Device = "net0", Machine = machine.WithDevices([NetConfig.Parse(0, "tap,ifname=x", [])]), LinkMtu = 1500 }, [file.Fd]),
            (new() { Verb = ControlVerb.Add, Device = "disk0", Machine = machine.WithDevices([DiskConfig.Parse(0, "path=/x,format=raw", [])]) }, []),
            (new() { Verb = ControlVerb.Remove, Device = "none" }, [file.Fd, file.Fd]),
            (new() { Verb = ControlVerb.Grow, Device = "none", SizeBytes = ulong.MaxValue }, []),
            (new() { Verb = ControlVerb.Broken, Device = "none", Queue = -1 }, []),
            (new() { Verb = (ControlVerb)999, Device = "none" }, []),
        ];

        foreach ((ControlMessage message, int[] files) in strange)
        {
            ControlAnswer? answer = await peer.Ask(message, files).WaitAsync(Patience);
            if (answer is null) break;
            Assert.NotEqual(ControlProblem.None, answer.Message.Problem);
            Assert.NotEqual(ControlProblem.Fault, answer.Message.Problem);
        }

        server.Stop();
        Assert.True(serving.Join(Patience) && hearing.Join(Patience));
    }

    [Theory]
    [InlineData("/vm/a.qcow2", true, true)]
    [InlineData("/vm/a.qcow2", false, true)]
    [InlineData("/etc/shadow", true, false)]
    [InlineData("/vm/b.qcow2", false, false)]
    [InlineData("/vm/../vm/a.qcow2", true, false)]
    [InlineData("", true, false)]
    [InlineData("/vm/a.qcow2\0", true, false)]
    public void MayOpen_DiskWithoutBackingFiles_ItsImageAlone(string path, bool isReadOnly, bool expected)
        => Assert.Equal(expected, DeviceModelLink.MayOpen(new DiskConfig { Id = "a", Path = "/vm/a.qcow2", Format = "qcow2" }, path, isReadOnly));

    [Theory]
    [InlineData("vmdk", "/vm/a-s001.vmdk", false, true)]
    [InlineData("vmdk", "/etc/a-s001.vmdk", false, false)]
    [InlineData("qcow2", "/vm/base.img", false, false)]
    [InlineData("qcow2", "/base/base.img", true, true)]
    public void MayOpen_DiskWithBackingFiles_WhatLiesBelowForReading(string format, string path, bool isReadOnly, bool expected)
        => Assert.Equal(expected, DeviceModelLink.MayOpen(new DiskConfig { Id = "a", Path = "/vm/a", Format = format, AllowBacking = true }, path, isReadOnly));

    [Fact]
    public void MayOpen_ReadOnlyDisk_ForReadingOnly()
        => Assert.False(DeviceModelLink.MayOpen(new DiskConfig { Id = "a", Path = "/vm/a", Format = "raw", ReadOnly = true }, "/vm/a", isReadOnly: false));

    private static LinuxFile EventFile() => LinuxFile.Pipe().Reader;
}
