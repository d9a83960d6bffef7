using Vmm.Host.Native;

namespace Vmm.Host.Sandbox;

/// <summary>
/// A ruleset of Landlock (landlock(7)): what of the file system stays open, TCP, and sockets of abstract names. It reaches what seccomp cannot
/// see: names of files, and what is done through an io_uring. Descriptors that are open are not touched.
/// </summary>
internal sealed unsafe class LandlockRules : IDisposable
{
    private const int ReferVersion = 2, TruncateVersion = 3, NetVersion = 4, DeviceVersion = 5, ScopeVersion = 6;
    private const ulong BindTcp = 1 << 0, ConnectTcp = 1 << 1; // LANDLOCK_ACCESS_NET_*
    private const ulong AbstractUnixSockets = 1 << 0; // LANDLOCK_SCOPE_*
    private const nint QueryVersion = 1, PathBeneath = 1;

    private readonly LinuxFile _ruleset;
    private readonly LandlockAccess _handled;

    /// <param name="allowsTcp">TCP is not governed.</param>
    /// <exception cref="LinuxException">This kernel has no Landlock.</exception>
    public LandlockRules(bool allowsTcp)
    {
        int version = Version;
        _handled = Handled(version);
        Libc.LandlockRulesetAttributes attributes = new() { Files = (ulong)_handled };
        nuint size = sizeof(ulong);
        if (version >= NetVersion)
        {
            attributes.Net = allowsTcp ? 0 : BindTcp | ConnectTcp;
            size += sizeof(ulong);
        }

        // Signals are not scoped: older kernels take the threads of one process for strangers then.
        if (version >= ScopeVersion)
        {
            attributes.Scoped = AbstractUnixSockets;
            size += sizeof(ulong);
        }

        // SAFETY: a local that outlives the call.
        _ruleset = LinuxFile.FromResult((int)Libc.Syscall((nint)SystemCall.landlock_create_ruleset, (nint)(&attributes), (nint)size, 0, 0, 0, 0), "making a ruleset of Landlock");
    }

    /// <summary>The version that the kernel has; 0 for none.</summary>
    public static int Version => Math.Max(0, (int)Libc.Syscall((nint)SystemCall.landlock_create_ruleset, 0, 0, QueryVersion, 0, 0, 0));

    /// <summary>The ruleset's descriptor.</summary>
    public int Fd => _ruleset.Fd;

    /// <summary>Leaves a file, or all below a folder, open. One that does not exist is ignored.</summary>
    /// <exception cref="LinuxException">The kernel does not take the rule.</exception>
    public void Allow(in SandboxPath path)
    {
        LinuxFile place;
        try
        {
            place = LinuxFile.Open(path.Path, Libc.O_PATH | Libc.O_CLOEXEC);
        }
        catch (LinuxException)
        {
            return;
        }

        using (place)
        {
            LandlockAccess access = Granted(path.Access) & _handled;
            if (!Directory.Exists(path.Path)) access &= LandlockAccess.OfFiles;
            Libc.LandlockPathBeneath rule = new() { Allowed = (ulong)access, Parent = place.Fd };
            // SAFETY: a local that outlives the call.
            if (Libc.Syscall((nint)SystemCall.landlock_add_rule, _ruleset.Fd, PathBeneath, (nint)(&rule), 0, 0, 0) != 0) throw LinuxException.FromLastError($"leaving {path.Path} open in the sandbox");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _ruleset.Dispose();

    private static LandlockAccess Handled(int version)
    {
        LandlockAccess handled = LandlockAccess.Version1;
        if (version >= ReferVersion) handled |= LandlockAccess.REFER;
        if (version >= TruncateVersion) handled |= LandlockAccess.TRUNCATE;
        if (version >= DeviceVersion) handled |= LandlockAccess.IOCTL_DEV;
        return handled;
    }

    private static LandlockAccess Granted(SandboxAccess access) => access switch
    {
        SandboxAccess.Read => LandlockAccess.READ_FILE | LandlockAccess.READ_DIR,
        SandboxAccess.Write => LandlockAccess.READ_FILE | LandlockAccess.READ_DIR | LandlockAccess.WRITE_FILE | LandlockAccess.TRUNCATE,
        SandboxAccess.Sockets => LandlockAccess.MAKE_SOCK | LandlockAccess.REMOVE_FILE,
        _ => ~(LandlockAccess.EXECUTE | LandlockAccess.IOCTL_DEV),
    };
}
