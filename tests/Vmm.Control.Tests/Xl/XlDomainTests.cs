using Vmm.Control.Domains;
using Vmm.Control.Xl;

namespace Vmm.Control.Tests.Xl;

public class XlDomainTests
{
    private const string Least = "name='a'\nkernel='/k'\n";

    [Fact]
    public void Build_WholeFile_IsTheDomain()
    {
        DomainConfig? config = Build("""
            # a guest
            name = "vm000"
            uuid = "2d5a5a68-5a5b-4f5e-8b1d-6a1f3e5c7b90"
            type = "pvh"
            kernel = "/boot/vmlinuz"
            ramdisk = '/boot/initrd'
            root = "/dev/vda"
            extra = "quiet console=ttyS0"
            memory = 1024
            vcpus = "2"
            disk = [ 'format=qcow2,vdev=xvdb,access=ro,target=/b.qcow2', '/a.img,raw,xvda,rw' ]
            on_poweroff = 'preserve'
            on_reboot = 'destroy'
            on_crash = 'restart'
            """, out string errors, out string warnings);

        Assert.Equal(("", ""), (errors, warnings));
        Assert.NotNull(config);
        Assert.Equal(("vm000", "2d5a5a68-5a5b-4f5e-8b1d-6a1f3e5c7b90", 1UL << 30, 2), (config.Name, config.Uuid.ToString(), config.Machine.MemoryBytes, config.Machine.Vcpus));
        Assert.Equal(("/boot/vmlinuz", "/boot/initrd", "root=/dev/vda quiet console=ttyS0"), (config.Machine.Boot.Kernel, config.Machine.Boot.Initrd, config.Machine.Boot.CommandLine));
        Assert.Equal([("xvda", "/a.img", "raw", false), ("xvdb", "/b.qcow2", "qcow2", true)], config.Machine.Disks.Select(d => (d.Id, d.Path, d.Format, d.ReadOnly)));
        Assert.Equal((DomainAction.Preserve, DomainAction.Destroy, DomainAction.Restart), (config.OnPowerOff, config.OnReboot, config.OnCrash));
    }

    [Theory]
    [InlineData("kernel='/k'", "x.cfg:1:1: a name is needed")]
    [InlineData("name='a'", "x.cfg:1:1: a kernel is needed")]
    [InlineData("name='a'\nkernel='/usr/lib/xen/boot/hvmloader'", "x.cfg:2:8: a kernel is needed")]
    [InlineData(Least + "type='pv'", "x.cfg:3:6: paravirtualized guests need Xen itself")]
    [InlineData(Least + "type='x'", "x.cfg:3:6: 'x' is none of hvm, pvh")]
    [InlineData(Least + "builder='linux'", "x.cfg:3:9: paravirtualized guests need Xen itself")]
    [InlineData(Least + "memory='lots'", "x.cfg:3:8: 'memory' is a number, not a text")]
    [InlineData(Least + "memory=1", "x.cfg:3:8: memory: 1M is less than 4M")]
    [InlineData(Least + "vcpus=0", "x.cfg:3:7: vcpus: 0 is not from 1 to 255")]
    [InlineData(Least + "vcpus=[1]", "x.cfg:3:7: 'vcpus' is a number, not a list")]
    [InlineData(Least + "uuid='z'", "x.cfg:3:6: 'z' is no UUID")]
    [InlineData(Least + "disk='/a,raw,xvda'", "x.cfg:3:6: 'disk' is a list, not a text")]
    [InlineData(Least + "disk=[1]", "x.cfg:3:7: an entry is a text, not a number")]
    [InlineData(Least + "disk=['/a,raw,zzz']", "x.cfg:3:7: 'zzz' is no vdev")]
    [InlineData(Least + "disk=['/a,qed,xvda']", "x.cfg:3:7: disk[0].format: the image format 'qed' is not supported")]
    [InlineData(Least + "disk=['/a,raw,xvda','/b,raw,xvda']", "x.cfg:3:21: 'xvda' is another disk's place")]
    [InlineData(Least + "disk=['/a,raw,hdc,cdrom']", "x.cfg:3:7: there are no CD drives yet")]
    [InlineData(Least + "pci=['01:00.0']", "x.cfg:3:1: 'pci' is refused: no such device can be given to a guest")]
    [InlineData(Least + "bootloader='pygrub'", "x.cfg:3:1: 'bootloader' is refused: only kernels are started")]
    [InlineData(Least + "on_crash='soft-reset'", "x.cfg:3:10: 'soft-reset' is refused: it resets what a guest has from the Xen hypervisor")]
    [InlineData(Least + "on_crash='explode'", "x.cfg:3:10: 'explode' is none of destroy, restart, preserve, rename-restart")]
    [InlineData("name=5\nkernel='/k'", "x.cfg:1:6: 'name' is a text in quotes, not a number")]
    public void Build_BadFile_SaysWhereAndWhy(string text, string expected)
    {
        Assert.Null(Build(text, out string errors, out _));
        Assert.Contains(expected, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Least + "vnc=1", "x.cfg:3:1: 'vnc' has no effect: there is no display")]
    [InlineData(Least + "memmory=512", "x.cfg:3:1: there is no key 'memmory'; did you mean 'memory'?")]
    public void Build_KeyWithoutEffect_IsNamed(string text, string expected)
    {
        Assert.NotNull(Build(text, out _, out string warnings));
        Assert.Equal(expected, warnings);
    }

    [Theory]
    [InlineData(Least + "pci=[]")]
    [InlineData(Least + "usb=0")]
    [InlineData(Least + "bootloader=''")]
    public void Build_RefusedKeyThatAsksForNothing_IsAccepted(string text)
    {
        Assert.NotNull(Build(text, out string errors, out _));
        Assert.Equal("", errors);
    }

    [Fact]
    public void Build_BadEntryFromTheCommandLine_IsToldWithItsPlaceThere()
    {
        XlDocument document = new();
        document.Read("x.cfg", Least + "disk=['/a,raw,xvda']");
        document.Read("command line", "disk+=['/b,raw,zzz']");

        XlDomain.Build(document, "x.cfg", out IReadOnlyList<XlError> errors, out _);

        Assert.StartsWith("command line:1:8: 'zzz' is no vdev", Assert.Single(errors).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("extra='a'", "\nextra+='a'", 5000)]
    [InlineData("disk=[]", "+['x']", 5000)]
    [InlineData("x='a'", " 'a'", 60_000)]
    [InlineData("vif=[", "'',", 80_000)]
    [InlineData("a=1", "\nab{0}=1", 25_000)]
    public void Build_EndlessFile_TakesNoTime(string first, string more, int count)
    {
        XlDocument document = new();
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();

        document.Read("x.cfg", Least + first + string.Concat(Enumerable.Range(0, count).Select(i => string.Format(System.Globalization.CultureInfo.InvariantCulture, more, i))));
        XlDomain.Build(document, "x.cfg", out _, out _);

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
    }

    [Fact]
    public void Keys_All_AreThereOnceWithAReason()
    {
        Assert.Equal(XlKeys.All.Count, XlKeys.All.DistinctBy(k => k.Name).Count());
        Assert.DoesNotContain(XlKeys.All, k => k.Why.Length == 0);
    }

    private static DomainConfig? Build(string text, out string errors, out string warnings)
    {
        XlDocument document = new();
        Assert.Empty(document.Read("x.cfg", text));
        DomainConfig? config = XlDomain.Build(document, "x.cfg", out IReadOnlyList<XlError> found, out IReadOnlyList<XlError> named);
        (errors, warnings) = (string.Join('\n', found), string.Join('\n', named));
        return config;
    }
}
