using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>What a process takes from itself: seccomp(2), landlock(7), capset(2). The calls have no wrappers in the C library.</summary>
internal static unsafe partial class Libc
{
    public const nint SECCOMP_SET_MODE_FILTER = 1;
    public const uint SECCOMP_FILTER_FLAG_TSYNC = 1;
    public const uint LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;

    /// <summary><c>struct sock_fprog</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct SockFilterProgram
    {
        [FieldOffset(0)] public ushort Length;
        [FieldOffset(8)] public nint Filter;
    }

    /// <summary><c>struct landlock_ruleset_attr</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 24)]
    public struct LandlockRulesetAttributes
    {
        [FieldOffset(0)] public ulong Files;
        [FieldOffset(8)] public ulong Net;
        [FieldOffset(16)] public ulong Scoped;
    }

    /// <summary><c>struct landlock_path_beneath_attr</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 12)]
    public struct LandlockPathBeneath
    {
        [FieldOffset(0)] public ulong Allowed;
        [FieldOffset(8)] public int Parent;
    }

    /// <summary><c>struct __user_cap_header_struct</c>; process 0 is the calling thread.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 8)]
    public struct CapabilityHeader
    {
        [FieldOffset(0)] public uint Version;
        [FieldOffset(4)] public int Process;
    }

    /// <summary>Two of <c>struct __user_cap_data_struct</c>: the lower and the upper half of each set.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 24)]
    public struct CapabilitySets
    {
        [FieldOffset(0)] public uint EffectiveLow;
        [FieldOffset(4)] public uint PermittedLow;
        [FieldOffset(8)] public uint InheritableLow;
        [FieldOffset(12)] public uint EffectiveHigh;
        [FieldOffset(16)] public uint PermittedHigh;
        [FieldOffset(20)] public uint InheritableHigh;
    }
}
