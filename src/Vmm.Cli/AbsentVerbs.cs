namespace Vmm.Cli;

/// <summary>Verbs of xl and xm that are not here, each with the reason and with what takes its place: who tries one is told.</summary>
internal static class AbsentVerbs
{
    private const string NoMigration = "a domain cannot move to another host yet";
    private const string NoDevice = "there is no such device yet";
    private const string NoScheduler = "the host's kernel schedules vCPUs; vcpu-pin, nice(1) and cgroups tell it how";
    private const string NoXen = "it is for the Xen hypervisor";

    private static readonly (string Why, string[] Names)[] All =
    [
        (NoMigration, ["migrate", "migrate-receive", "remus"]),
        ("guests have no sleep states; 'pause' and 'unpause' stop one and let it go on", ["suspend", "resume"]),
        ("there is no display; 'console' connects to the serial port", ["vncviewer"]),
        ("a domain keeps its configuration and the devices that came and went through its restarts; another one needs 'destroy' and 'create'", ["config-update", "block-configure"]),
        ("no device of the host can be given to a guest yet", ["pci-attach", "pci-detach", "pci-list", "pci-assignable-add", "pci-assignable-remove", "pci-assignable-list",
            "usbctrl-attach", "usbctrl-detach", "usbdev-attach", "usbdev-detach", "usb-list"]),
        (NoDevice, ["vtpm-attach", "vtpm-detach", "vtpm-list", "vkb-attach", "vkb-detach", "vkb-list", "vsnd-attach", "vsnd-detach", "vsnd-list", "channel-list"]),
        (NoScheduler, ["sched-credit", "sched-credit2", "sched-rtds", "sched-null"]),
        ("pools of processors are the Xen hypervisor's; cpusets of cgroups do this on Linux", ["cpupool-create", "cpupool-list", "cpupool-destroy", "cpupool-rename", "cpupool-cpu-add",
            "cpupool-cpu-remove", "cpupool-migrate", "cpupool-numa-split"]),
        ("there is no QEMU; the domain's socket answers JSON-RPC", ["qemu-monitor-command"]),
        ("there is no daemon, and nothing for one to do", ["devd"]),
        ("files in the folder of 'autostart' describe domains that are to be there", ["new", "delete"]),
        ("'create' starts a domain", ["start"]),
        ("'reboot' resets a guest", ["reset"]),
        ("'dmesg' prints the logs of domains", ["log"]),
        ("'list' shows the states of domains", ["domstate"]),
        ("'trigger DOMAIN power' presses the power button", ["button-press"]),
        (NoXen, ["claims", "debug-keys", "getenforce", "setenforce", "loadpolicy", "set-parameters", "get-parameters", "psr-hwinfo", "psr-cmt-attach", "psr-cmt-detach", "psr-cmt-show",
            "psr-cat-set", "psr-cat-show", "psr-mba-set", "psr-mba-show", "sharing", "tmem-list", "tmem-freeze", "tmem-set", "tmem-shared-auth", "tmem-freeable", "dt-overlay"]),
    ];

    /// <summary>Why there is no such verb; null for one that xl does not have, either.</summary>
    public static string? WhyNot(string verb) => All.FirstOrDefault(group => group.Names.Contains(verb)).Why;
}
