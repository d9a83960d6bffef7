using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Control.Tests.Domains;

public sealed class CoreFileTests : IDisposable
{
    private const ulong Marker = 0x1122334455667788;
    private const uint MarkedAddress = 0x80_0000;

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-core").FullName;

    private string CorePath => Path.Combine(_folder, "guest.core");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task DumpCore_RunningGuest_HoldsItsMemoryAndRegistersAndStaysSparse()
    {
        using RunningDomain domain = new(a =>
        {
            a.mov(edi, MarkedAddress);
            a.mov(__dword_ptr[edi], 0x55667788);
            a.mov(__dword_ptr[edi + 4], 0x11223344);
            a.mov(ebx, 0x5eed);
            RunningDomain.Spin(a);
        }, c => c with { Machine = c.Machine with { MemoryBytes = 64 << 20, Vcpus = 2 } });
        using DomainClient client = new(domain.Host.Folder);
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.UptimeSeconds > 0.3, TimeSpan.FromSeconds(60)));

        CoreInfo core = await client.Domain.DumpCoreAsync(CorePath, default);

        Assert.Equal((ulong)new FileInfo(CorePath).Length, core.SizeBytes);
        Assert.InRange(core.WrittenBytes, 4096UL, 4UL << 20);
        Assert.InRange(AllocatedBytes(), 4096, 5 << 20);
        string notes = Run("readelf", "-nW", CorePath);
        Assert.Equal(2, notes.Split("NT_PRSTATUS").Length - 1);
        Assert.Equal(2, notes.Split("QEMU").Length - 1);
        Assert.Contains("LOAD", Run("readelf", "-lW", CorePath), StringComparison.Ordinal);
        Assert.Equal(0x5eedUL, BootProcessorRbx());
        Assert.Equal(Marker, WordAt(ProgramHeader(1).Offset + MarkedAddress));
        Assert.Equal(DomainState.Running, (await client.Domain.GetInfoAsync(default)).State);
        double uptime = domain.Host.Info.UptimeSeconds;
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.UptimeSeconds > uptime, TimeSpan.FromSeconds(10)), "the guest does not go on");
    }

    [Fact]
    public async Task DumpCore_PreservedGuest_HoldsWhatItCrashedWith()
    {
        using RunningDomain domain = new(a =>
        {
            a.mov(ebx, 0xc0ffee);
            a.ud2();
        }, c => c with { OnCrash = DomainAction.Preserve });
        using DomainClient client = new(domain.Host.Folder);
        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.State == DomainState.Ended, TimeSpan.FromSeconds(60)));

        await client.Domain.DumpCoreAsync(CorePath, default);

        Assert.Equal(0xc0ffeeUL, BootProcessorRbx());
    }

    [Fact]
    public async Task DumpCore_PlaceThatIsNone_LeavesNothingAndTheGuestGoesOn()
    {
        using RunningDomain domain = new(RunningDomain.Spin);
        using DomainClient client = new(domain.Host.Folder);

        StreamJsonRpc.RemoteInvocationException e = await Assert.ThrowsAsync<StreamJsonRpc.RemoteInvocationException>(() => client.Domain.DumpCoreAsync(_folder, default));

        Assert.Equal((int)RpcErrorCode.HostRefused, e.ErrorCode);
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(_folder)!, Path.GetFileName(_folder) + "*"));
        Assert.Equal(DomainState.Running, (await client.Domain.GetInfoAsync(default)).State);
    }

    [Fact]
    public void CoredumpDestroy_GuestThatCrashes_LeavesItsCore()
    {
        using RunningDomain domain = new(a => a.ud2(), c => c with { OnCrash = DomainAction.CoredumpDestroy }, new() { CoreFolder = _folder });

        domain.WaitForEnd();

        string file = Assert.Single(Directory.GetFiles(_folder));
        Assert.StartsWith("tiny-", Path.GetFileName(file), StringComparison.Ordinal);
        Assert.Equal(DomainAction.CoredumpDestroy, domain.Host.Info.LastEnd!.Action);
    }

    [Fact]
    public void CoredumpRestart_GuestThatCrashesAgainAndAgain_LeavesTheLastCoresOnly()
    {
        using RunningDomain domain = new(a => a.ud2(), c => c with { OnCrash = DomainAction.CoredumpRestart }, new() { CoreFolder = _folder, LeastLife = TimeSpan.Zero });

        Assert.True(SpinWait.SpinUntil(() => domain.Host.Info.Boots >= 6, TimeSpan.FromSeconds(60)));
        domain.Host.Destroy("enough");
        domain.WaitForEnd();

        Assert.InRange(Directory.GetFiles(_folder).Length, 1, 3);
    }

    // The first note is the boot processor's NT_PRSTATUS: header, "CORE" padded to 8, then pr_reg at 112 with rbx as the sixth.
    private ulong BootProcessorRbx() => WordAt(ProgramHeader(0).Offset + 12 + 8 + 112 + 5 * 8);

    private (uint Type, ulong Offset) ProgramHeader(int index)
    {
        ulong at = 64 + (ulong)index * 56;
        return ((uint)WordAt(at), WordAt(at + 8));
    }

    private ulong WordAt(ulong offset)
    {
        using FileStream file = File.OpenRead(CorePath);
        Span<byte> word = stackalloc byte[8];
        file.Position = (long)offset;
        file.ReadExactly(word);
        return BinaryPrimitives.ReadUInt64LittleEndian(word);
    }

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        StringBuilder text = new(process.StandardOutput.ReadToEnd());
        process.WaitForExit();
        return text.Append(errors.Result).ToString();
    }

    private long AllocatedBytes() => 512 * long.Parse(Run("stat", "-c", "%b", CorePath), CultureInfo.InvariantCulture);
}
