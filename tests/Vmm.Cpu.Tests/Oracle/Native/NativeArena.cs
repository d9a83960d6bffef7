using System.Runtime.InteropServices;
using static Vmm.Cpu.Tests.Oracle.Native.LinuxNative;

namespace Vmm.Cpu.Tests.Oracle.Native;

/// <summary>
/// The native side's mappings. Data and code pages are mapped twice: at their linear addresses as the case sees them, and
/// elsewhere writable, so that the test can fill a read-only page and the code.
/// </summary>
internal sealed unsafe class NativeArena : IDisposable
{
    private const uint FileSize = OracleLayout.DataSize + OracleLayout.CodeSize;
    private readonly byte* _alias;

    public NativeArena()
    {
        int file = memfd_create("oracle", 0);
        if (file < 0 || ftruncate(file, (nint)FileSize) != 0) throw Failed("memfd_create");
        try
        {
            _alias = Map(0, FileSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
            Map(OracleLayout.Private, OracleLayout.PrivateSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE);
            Map(OracleLayout.Arena, OracleLayout.ArenaSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE);
            for (int page = 0; page < OracleLayout.DataPages; page++)
            {
                if (page == OracleLayout.HolePage) continue;
                int protection = page == OracleLayout.ReadOnlyPage ? PROT_READ : PROT_READ | PROT_WRITE;
                uint offset = (uint)page * OracleLayout.PageSize;
                Map(OracleLayout.Data + offset, OracleLayout.PageSize, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, offset);
            }

            Map(OracleLayout.Code, OracleLayout.CodeSize, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, OracleLayout.DataSize);
        }
        finally
        {
            // The mappings keep the file.
            _ = close(file);
        }
    }

    /// <summary>All data pages, the hole included.</summary>
    public Span<byte> Data => new(_alias, (int)OracleLayout.DataSize);

    public Span<byte> Code => new(_alias + OracleLayout.DataSize, (int)OracleLayout.CodeSize);

    /// <summary>Copies emitted code to <see cref="OracleLayout.Stubs"/> and makes it executable.</summary>
    public static void InstallStubs(ReadOnlySpan<byte> code)
    {
        if (code.Length > OracleLayout.StubsSize) throw new InvalidOperationException("the stubs outgrew their pages");
        code.CopyTo(new Span<byte>((void*)OracleLayout.Stubs, (int)OracleLayout.StubsSize));
        if (mprotect((nint)OracleLayout.Stubs, OracleLayout.StubsSize, PROT_READ | PROT_EXEC) != 0) throw Failed("mprotect");
    }

    public void Dispose()
    {
        _ = munmap((nint)OracleLayout.Arena, OracleLayout.ArenaSize);
        _ = munmap((nint)OracleLayout.Private, OracleLayout.PrivateSize);
        _ = munmap((nint)_alias, FileSize);
    }

    public static InvalidOperationException Failed(string call) => new($"{call}: errno {Marshal.GetLastPInvokeError()}");

    private static byte* Map(uint at, uint size, int protection, int flags, int file = -1, uint offset = 0)
    {
        nint result = mmap((nint)at, size, protection, flags, file, (nint)offset);
        if (result == -1 || (at != 0 && result != (nint)at)) throw Failed($"mmap at {at:x}");
        return (byte*)result;
    }
}
