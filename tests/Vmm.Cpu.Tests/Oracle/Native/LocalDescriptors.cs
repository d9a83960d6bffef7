using System.Runtime.InteropServices;
using static Vmm.Cpu.Tests.Oracle.Native.LinuxNative;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>The process's local descriptor table: 16-bit segments over the oracle's code and data.</summary>
internal static unsafe class LocalDescriptors
{
    private const nint WriteEntry = 0x11;

    // struct user_desc: bit 0 seg_32bit, bits 1-2 contents, bit 3 read_exec_only, bit 4 limit_in_pages, bit 5 seg_not_present, bit 6 useable.
    private const uint ContentsCode = 2 << 1;
    private const uint Usable = 1 << 6;

    /// <summary>False where the kernel does not let a process have such segments.</summary>
    public static bool TryInstall()
        => TryWrite(OracleLayout.LdtCode16, OracleLayout.Code, OracleLayout.Code16Limit, ContentsCode | Usable)
            && TryWrite(OracleLayout.LdtData16, OracleLayout.Data16Base, OracleLayout.Data16Limit, Usable)
            && TryWrite(OracleLayout.LdtStack16, OracleLayout.Data16Base, OracleLayout.Stack16Limit, Usable);

    private static bool TryWrite(ushort selector, uint linearBase, uint limit, uint flags)
    {
        UserDescriptor entry = new() { EntryNumber = (uint)selector >> 3, BaseAddress = linearBase, Limit = limit, Flags = flags };
        return syscall(SYS_modify_ldt, WriteEntry, (nint)(&entry), Marshal.SizeOf<UserDescriptor>()) == 0;
    }
}
