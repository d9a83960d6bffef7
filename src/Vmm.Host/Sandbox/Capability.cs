namespace Vmm.Host.Sandbox;

/// <summary>Capabilities by their bits (linux/capability.h), as far as they are named here.</summary>
[Flags]
internal enum Capability : ulong
{
    None = 0,
    CAP_CHOWN = 1 << 0,
    CAP_DAC_OVERRIDE = 1 << 1,
    CAP_FOWNER = 1 << 3,
    CAP_FSETID = 1 << 4,
    CAP_SETPCAP = 1 << 8,
    CAP_NET_BIND_SERVICE = 1 << 10,
    CAP_NET_ADMIN = 1 << 12,
    CAP_NET_RAW = 1 << 13,
    CAP_MKNOD = 1 << 27,
}
