using System.Diagnostics;
using Iced.Intel;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Domains;

/// <summary>What follows a guest's end, with processes as a user has them.</summary>
public sealed class DomainEndVerbTests : IDisposable
{
    private readonly DomainRoom _room = new();

    public void Dispose() => _room.Dispose();

    [ExecutableFact]
    public void RenameRestart_Reset_KeepsTheOldOneAndMakesAnother()
    {
        _room.Run("create", "-q", _room.Config("a", "on_reboot='rename-restart'")).Good();
        string uuid = UuidOf("a");

        _room.Run("reboot", "-w", "a").Good();

        DomainRoom.WaitFor(() => _room.StateOf("a") == "r-----", "another domain is in its place");
        string kept = Assert.Single(_room.Run("list").Good().Lines, l => l.StartsWith("a-", StringComparison.Ordinal));
        Assert.Matches(@"^a-\d{8}T\d{6}Z +1 +16     1     ---sr- ", kept);
        Assert.Equal("2\n", _room.Run("domid", "a").Good().Output);
        Assert.Equal(uuid, UuidOf("a"));
        Assert.NotEqual(uuid, UuidOf("1"));
        _room.Run("destroy", "1").Good();
        Assert.Equal(3, _room.Run("list").Good().Lines.Length);
    }

    [ExecutableFact]
    public void Preserve_GuestThatCrashes_StaysToBeLookedAt()
    {
        _room.Run("create", "-q", _room.Config("a", "on_crash='preserve'", a => a.ud2())).Good();

        DomainRoom.WaitFor(() => _room.StateOf("a") == "---sc-", "the guest has crashed");
        Assert.Contains("triple fault", _room.Run("dmesg", "a").Good().Output, StringComparison.Ordinal);
        Assert.Matches(" 3 +-$", _room.Run("list", "-v", "a").Good().Lines[1]);
        _room.Run("dump-core", "a", _room.PathOf("core")).Good();
        Assert.Contains("CORE (Core file)", Readelf("-h", _room.PathOf("core")), StringComparison.Ordinal);
        Assert.Contains("has ended", _room.Run("unpause", "a").Errors, StringComparison.Ordinal);
        _room.Run("destroy", "a").Good();
    }

    [ExecutableFact]
    public void CoredumpDestroy_GuestThatCrashes_LeavesACoreFileAndNothingElse()
    {
        _room.Run("create", "-q", _room.Config("a", "on_crash='coredump-destroy'", a => a.ud2())).Good();

        DomainRoom.WaitFor(() => _room.StateOf("a").Length == 0, "the domain is gone");
        string core = Assert.Single(Directory.GetFiles(_room.PathOf("dump")));
        Assert.Matches(@"^a-\d{8}T\d{6}Z\.core$", Path.GetFileName(core));
        // All memory is in it, and the registers of the one vCPU.
        Assert.Contains("LOAD           0x", Readelf("-lW", core), StringComparison.Ordinal);
        Assert.Contains("NT_PRSTATUS", Readelf("-nW", core), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_room.FolderOf(1)));
    }

    [ExecutableFact]
    public void Restart_GuestThatRunsInCircles_IsNotStartedAnew()
    {
        _room.Run("create", "-q", _room.Config("a", "on_reboot='restart'", ResetAtOnce)).Good();

        DomainRoom.WaitFor(() => _room.StateOf("a").Length == 0, "the domain is gone");
        string history = File.ReadAllText(Path.Combine(_room.PathOf("run"), "history"));
        Assert.Contains("\"reason\":\"the guest reset the machine\"", history, StringComparison.Ordinal);
        // One that is kept says it in its log.
        _room.Run("create", "-q", _room.Config("b", "on_reboot='rename-restart'", ResetAtOnce)).Good();
        DomainRoom.WaitFor(() => _room.StateOf("b").Length == 0, "the other domain is gone, too");
    }

    private string UuidOf(string domain) => _room.Run("list", "-v", domain).Good().Lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[6];

    private static string Readelf(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("readelf", arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    private static void ResetAtOnce(Assembler a)
    {
        a.mov(dx, 0xcf9);
        a.mov(al, 6);
        a.@out(dx, al);
        DomainRoom.Spin(a);
    }
}
