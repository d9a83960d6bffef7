using Vmm.Control.Xl;

namespace Vmm.Control.Tests.Xl;

public class XlDiskParserTests
{
    [Theory]
    [InlineData("/dev/vg/v,,hda", "/dev/vg/v raw hda rw")]
    [InlineData("/dev/vg/v,raw,hda,rw", "/dev/vg/v raw hda rw")]
    [InlineData("format=raw, vdev=hda, access=rw, target=/dev/vg/v", "/dev/vg/v raw hda rw")]
    [InlineData("format=qcow2,vdev=xvda,target=/a,b,c", "/a,b,c qcow2 xvda rw")]
    [InlineData("raw:/dev/vg/v,hda,w", "/dev/vg/v raw hda rw")]
    [InlineData("phy:vg/v,xvda1,w", "/dev/vg/v raw xvda1 rw")]
    [InlineData("file:/x.img,sda,r", "/x.img raw sda r")]
    [InlineData("tap:qcow2:/x.img,xvdb,w", "/x.img qcow2 xvdb rw")]
    [InlineData("/i.iso,,hdc,cdrom", "/i.iso raw hdc r cdrom")]
    [InlineData("/i.iso,raw,hdc,devtype=cdrom", "/i.iso raw hdc r cdrom")]
    [InlineData("raw:/i.iso,hdc:cdrom,ro", "/i.iso raw hdc r cdrom")]
    [InlineData(",hdc:cdrom,r", "- raw hdc r cdrom")]
    [InlineData(",,hdc:cdrom,r", "- raw hdc r cdrom")]
    [InlineData("devtype=cdrom,,,hdc", "- raw hdc r cdrom")]
    [InlineData("nbd:host:1234,xvda,w", "host:1234 raw xvda rw script=block-nbd")]
    [InlineData("target=iqn.2001-05.com.equallogic:x,y", null)]
    public void Parse_EveryForm_IsUnderstood(string text, string? expected)
    {
        XlDiskSpec? spec = XlDiskParser.Parse(text, out string? error);

        Assert.Equal(expected, spec is null ? null : Show(spec));
        Assert.Equal(expected is null, error is not null);
    }

    [Theory]
    [InlineData("", "the vdev is missing")]
    [InlineData("/x,raw", "the vdev is missing")]
    [InlineData("/x,raw,hdz", "'hdz' is no vdev")]
    [InlineData("/x,raww,hda", "'raww' is no format")]
    [InlineData("/x,raw,hda,rx", "access 'rx' is none of")]
    [InlineData("/x,raw,hda,rw,more", "'more' is one too many")]
    [InlineData("/x,raw,hda,formt=raw", "did you mean 'format'?")]
    [InlineData("/x,raw,hda,format=raw", "'format' is given more than once")]
    [InlineData("/x,raw,hda,discard,no-discard", "contradict")]
    [InlineData(",raw,hda", "the target is missing")]
    [InlineData("/x,raw,hda,devtype=floppy", "devtype 'floppy'")]
    [InlineData("/x,raw,hda,backendtype=file", "backendtype 'file'")]
    [InlineData("/x,raw,hda,specification=ide", "specification 'ide'")]
    public void Parse_BadEntry_SaysWhatIsWrong(string text, string expected)
    {
        Assert.Null(XlDiskParser.Parse(text, out string? error));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hda", 0x300)]
    [InlineData("hdb3", 0x343)]
    [InlineData("hdc", 0x1600)]
    [InlineData("hdd1", 0x1641)]
    [InlineData("sda", 0x800)]
    [InlineData("sdb2", 0x812)]
    [InlineData("xvda", 0xca00)]
    [InlineData("xvdp15", 0xcaff)]
    [InlineData("xvdq", 0x1000_1000)]
    [InlineData("xvda16", 0x1000_0010)]
    [InlineData("xvdaa", 0x1000_1a00)]
    [InlineData("d0", 0xca00)]
    [InlineData("d20p3", 0x1000_1403)]
    [InlineData("51712", 0xca00)]
    [InlineData("2049", 0x801)]
    [InlineData("832", 0x340)]
    public void VirtualDevice_EveryForm_HasItsNumber(string text, int number)
    {
        Assert.True(XlVirtualDevice.TryParse(text, out XlVirtualDevice? device));
        Assert.Equal(number, device.Number);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hd")]
    [InlineData("hde")]
    [InlineData("hda64")]
    [InlineData("sdq")]
    [InlineData("xvda256")]
    [InlineData("xvda0")]
    [InlineData("xvdA")]
    [InlineData("dp1")]
    [InlineData("d1p")]
    [InlineData("99999999999")]
    [InlineData("1")]
    public void VirtualDevice_NoDevice_IsRefused(string text) => Assert.False(XlVirtualDevice.TryParse(text, out _));

    private static string Show(XlDiskSpec spec)
        => $"{spec.Target ?? "-"} {spec.Format} {spec.Device.Name} {(spec.IsReadOnly ? "r" : "rw")}{(spec.IsCdrom ? " cdrom" : "")}{(spec.Script is { } script ? $" script={script}" : "")}";
}
