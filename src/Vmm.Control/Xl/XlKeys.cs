using System.Collections.Frozen;

namespace Vmm.Control.Xl;

/// <summary>Every key that is known, with what becomes of it (xl.cfg(5), and xm's where they differ).</summary>
public static class XlKeys
{
    private const string NoDisplay = "there is no display";
    private const string NoXen = "it is for the Xen hypervisor";
    private const string Ends = "destroy, restart, preserve, rename-restart, coredump-destroy or coredump-restart";
    private const string Fixed = "the machine always has it";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<XlKey> All { get; } =
    [
        .. Use(XlKeyUse.Works, ("name", "the domain's name"), ("uuid", "its UUID"), ("type", "hvm or pvh"), ("builder", "hvm or generic"),
            ("vcpus", "number of vCPUs"), ("memory", "guest RAM in MiB"), ("kernel", "the kernel to start"), ("ramdisk", "its initial ramdisk"),
            ("cmdline", "the kernel's command line"), ("root", "\"root=\" on it"), ("extra", "the rest of it"), ("disk", "disks"),
            ("on_poweroff", Ends), ("on_reboot", Ends), ("on_crash", Ends),
            ("maxmem", "the most memory, of which a balloon takes what is above 'memory'"), ("vif", "network devices"), ("p9", "directories that the guest mounts"),
            ("serial", "serial ports"), ("vmm_accel", "the CPU that runs the guest: auto, kvm or software"), ("vmm_device_model", "where disks and network devices are served: process, one of its own, or inside the domain's"), ("cpus", "where vCPUs run: 0-3,^1, or a list for each"), ("vmm_devices", "devices in the words of the options of vmm run"), ("vmm_cpu", "CPU model and features: x86-64-v2,-aes")),
        .. Same(XlKeyUse.NoEffect, NoDisplay, "vnc", "vnclisten", "vncdisplay", "vncunused", "vncpasswd", "vncconsole", "keymap", "sdl", "opengl", "nographic", "vga",
            "stdvga", "videoram", "spice", "spicehost", "spiceport", "spicetls_port", "spicedisable_ticketing", "spicepasswd", "spiceagent_mouse", "spicevdagent",
            "spice_clipboard_sharing", "spiceusbredirection", "spice_image_compression", "spice_streaming_video", "vfb", "vkb", "vncviewer", "display", "xauthority"),
        .. Same(XlKeyUse.NoEffect, Fixed, "acpi", "apic", "pae", "nx"),
        .. Same(XlKeyUse.NoEffect, NoXen, "hap", "shadow_memory", "xen_platform_pci", "max_grant_frames", "max_maptrack_frames", "max_event_channels", "device_model_user", "seclabel", "device_model_stubdomain_override", "oos", "pool", "cpu_weight", "cap", "timer_mode", "tsc_mode", "altp2m", "altp2mhvm", "max_altp2m", "vpt_align",
            "event_channels", "max_grant_version", "sched", "init_seclabel", "device_model_stubdomain_seclabel", "stubdomain_kernel", "stubdomain_ramdisk", "stubdomain_memory",
            "stubdomain_cmdline", "driver_domain", "xend_suspend_evtchn_compat", "vmtrace_buf_kb", "vpmu", "suppress_spurious_page_faults", "e820_host", "swiotlb", "msr_relaxed",
            "mca_caps", "pvshim", "pvshim_path", "pvshim_cmdline", "pvshim_extra", "xenstore_feature_mask", "trap_unmapped_accesses", "dm_restrict", "superpages", "memory_sharing",
            "nomigrate", "access_control"),
        .. Same(XlKeyUse.NoEffect, "the device model is vmm itself; 'vmm_device_model' says where it serves", "device_model_version", "device_model"),
        .. Same(XlKeyUse.NoEffect, "it is for guests on ARM", "gic_version", "vuart", "sve", "nr_spis", "llc_colors", "teesupport", "device_tree"),
        .. Same(XlKeyUse.NoEffect, "no device of the host can be given to a guest", "passthrough", "rdm", "rdm_mem_boundary", "gfx_passthru_kind", "pci_msitranslate", "pci_power_mgmt"),
        .. Same(XlKeyUse.NoEffect, "the folder of 'vmm autostart' says what begins and ends with the host", "on_xend_start", "on_xend_stop"),
        .. Same(XlKeyUse.NoEffect, "it is for people", "description", "guest_os_type"),
        .. Same(XlKeyUse.NoEffect, "the number of vCPUs does not change while a guest runs", "maxvcpus", "vcpu_avail"),
        .. Same(XlKeyUse.NoEffect, "there is no such device", "usb", "usbversion", "hpet", "acpi_s3", "acpi_s4", "soundhw", "hdtype", "mmio_hole", "viridian", "ms_vm_genid", "parallel",
            "isa", "ne2000", "monitor", "xen_extended_power_mgmt", "s3_integrity"),
        .. Same(XlKeyUse.NoEffect, "the guest's clock shows UTC", "localtime", "use_localtime", "rtc_timeoffset"),
        .. Same(XlKeyUse.NoEffect, "a guest has no way to ask for it", "on_watchdog", "on_soft_reset"),
        .. Same(XlKeyUse.NoEffect, "the kernel is started directly", "boot"),
        .. Same(XlKeyUse.Refused, "a guest gets its address from its network, or from 'cmdline' (ip=…)", "dhcp", "netmask", "gateway", "hostname", "ip"),
        .. Same(XlKeyUse.Refused, "'cmdline' says where the root file system is (root=/dev/nfs nfsroot=…)", "nfs_server", "nfs_root"),
        .. Same(XlKeyUse.Refused, "vCPUs cannot like processors better, and there are no nodes in a guest; 'cpus' says where they run", "cpus_soft", "cpu", "vnuma"),
        .. Same(XlKeyUse.Refused, "only kernels are started; 'kernel' names one", "bootloader", "bootloader_args", "bootloader_restrict", "bootloader_user", "bootargs", "bootentry", "loader", "system_firmware", "firmware", "bios", "bios_path_override", "firmware_override"),
        .. Same(XlKeyUse.Refused, "no such device can be given to a guest", "pci", "usbdevice", "usbctrl", "usbdev", "ioports", "irqs", "iomem", "vtpm", "gfx_passthru", "dtdev", "vdispl", "vsnd", "tpm", "virtio", "vscsi", "vhci", "tpmif", "fda", "fdb", "cdrom", "irq",
            "nestedhvm", "channel"),
        .. Same(XlKeyUse.Refused, "the CPUID policy cannot be given in this form yet; 'vmm_cpu' says model and features", "cpuid", "cpuid_check", "features"),
        .. Same(XlKeyUse.Refused, "it would be passed to another program", "device_model_override", "device_model_args", "device_model_args_hvm", "device_model_args_pv",
            "acpi_firmware", "smbios_firmware", "smbios"),
    ];

    private static readonly FrozenDictionary<string, XlKey> s_byName = All.ToFrozenDictionary(k => k.Name, StringComparer.Ordinal);

    /// <summary>What is known of a key; null for an unknown one.</summary>
    public static XlKey? Find(string name) => s_byName.GetValueOrDefault(name);

    private static IEnumerable<XlKey> Use(XlKeyUse use, params (string Name, string Why)[] keys) => keys.Select(k => new XlKey(k.Name, use, k.Why));

    private static IEnumerable<XlKey> Same(XlKeyUse use, string why, params string[] names) => names.Select(name => new XlKey(name, use, why));
}
