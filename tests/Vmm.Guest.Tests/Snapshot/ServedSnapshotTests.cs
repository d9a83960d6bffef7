using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Snapshot;

/// <summary>A device's state is the same wherever it is served: a machine that was saved with a device model goes on without one, and the other way round.</summary>
public sealed class ServedSnapshotTests
{
    private const string File1 = "one.vmm";

    [ExecutableTheory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Save_DevicesServedHereOrThere_GoOnHereOrThere(bool before, bool after)
    {
        using SnapshotRoom room = new(SnapshotTests.Tick);
        string disk = room.At("disk");
        File.WriteAllBytes(disk, new byte[1 << 20]);
        room.Start(room.Config(Accelerator.Software) with
        {
            DeviceModel = before,
            Disks = [new DiskConfig { Id = "a", Path = disk, Format = "raw" }],
            Nets = [new NetConfig { Id = "n", Link = new UserLinkConfig() }],
        });
        room.WaitFor("..");
        Assert.Equal(before, room.Machine.DeviceModel is not null);
        room.Machine.Save(room.At(File1), default, ends: true);

        GuestMachine restored = room.Restore(File1, config => config with { DeviceModel = after });
        room.Run();

        room.WaitFor("..");
        Assert.Equal(after, restored.DeviceModel is not null);
        Assert.Equal((1UL << 20, true), (Assert.Single(restored.Disks).SizeBytes, Assert.Single(restored.Networks).IsLinkUp));
    }
}
