using Iced.Intel;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.State;
using Vmm.Guest.Tests.LifeCycle;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;
using static Iced.Intel.AssemblerRegisters;
using static Vmm.Guest.Tests.LifeCycle.LifeCycleTests;

namespace Vmm.Guest.Tests.Snapshot;

/// <summary>Machines that are saved to a file and go on from it.</summary>
public class SnapshotTests
{
    private const string File1 = "one.vmm", File2 = "two.vmm";

    public static TheoryData<Accelerator> Accelerators => LifeCycleTests.Accelerators;

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void SaveAndEnd_CountingGuest_GoesOnWhereItWas(Accelerator accel)
    {
        using SnapshotRoom room = new(Count);
        room.Start(room.Config(accel) with { Rngs = [new RngConfig { Id = "rng" }] });
        room.WaitFor("go");
        SaveReport report = room.Machine.Save(room.At(File1), "mine"u8.ToArray(), ends: true);
        Assert.Equal(MachineEnd.Stopped, room.WaitForEnd().End);
        Assert.InRange(report.SizeBytes, report.MemoryBytes, (ulong)new FileInfo(room.At(File1)).Length);
        Assert.False(File.Exists(room.At(File1) + ".part"));

        using (SnapshotReader saved = SnapshotReader.Open(room.At(File1))) Assert.Equal("mine"u8.ToArray(), saved.Owner.ToArray());
        ulong first = Counter(room.Restore(File1));
        room.Run();
        Assert.True(SpinWait.SpinUntil(() => Counter(room.Machine) > first, TimeSpan.FromSeconds(30)));
        Assert.True(first > 0);
        Assert.Equal("", room.Output);
        Assert.Equal(1, room.Machine.Statistics.Boots);
    }

    [Fact]
    public void Save_RestoredMachineThatHasNotRun_SameBytes()
    {
        using SnapshotRoom room = new(Tick);
        string disk = room.At("disk");
        File.WriteAllBytes(disk, new byte[1 << 20]);
        room.Start(room.Config(Accelerator.Software) with
        {
            Vcpus = 2,
            Disks = [new DiskConfig { Id = "a", Path = disk, Format = "raw" }],
            Nets = [new NetConfig { Id = "n", Link = new UserLinkConfig() }],
            Vsocks = [new VsockConfig { Id = "v", Cid = 3, Path = room.At("vsock") }],
            Balloons = [new BalloonConfig { Id = "b" }],
            Shares = [new ShareConfig { Id = "s", Tag = "t", Path = room.Folder }],
            Rngs = [new RngConfig { Id = "r", Transport = VirtioTransportKind.Mmio }],
            Console = new ConsoleConfig { Id = "c", Ports = [new ConsolePortConfig { End = new SerialConfig(SerialKind.Null) }] },
            DebugConsole = new SerialConfig(SerialKind.Null),
        });
        room.WaitFor("..");
        room.Machine.AddDevice(new RngConfig { Id = "late" });
        room.Machine.Save(room.At(File1), default, ends: true);
        GuestMachine restored = room.Restore(File1, keepsLine: true);
        Thread.Sleep(1100);
        restored.Save(room.At(File2), default, ends: false);
        Assert.Equal(Convert.ToHexString(File.ReadAllBytes(room.At(File1))), Convert.ToHexString(File.ReadAllBytes(room.At(File2))));
        room.Run();
        room.WaitFor("..");
        Assert.Equal(8, restored.Devices.Count);
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Save_TimerInterrupts_TenTimes_TickOn(Accelerator accel)
    {
        using SnapshotRoom room = new(Tick);
        room.Start(room.Config(accel));
        room.WaitFor("..");
        ulong ticks = 0;
        for (int i = 0; i < 10; i++)
        {
            room.Machine.Save(room.At(File1), default, ends: true);
            room.WaitForEnd();
            ulong now = Counter(room.Restore(File1));
            Assert.True(now >= ticks, $"{now} ticks after {ticks}");
            ticks = now;
            room.Run();
            room.WaitFor("..");
        }
    }

    [Fact]
    public void Save_CannotBeWritten_GuestGoesOn()
    {
        using SnapshotRoom room = new(Tick);
        room.Start(room.Config(Accelerator.Software));
        room.WaitFor("..");
        Assert.Throws<DirectoryNotFoundException>(() => room.Machine.Save(room.At("none/file"), default, ends: true));
        int seen = room.Output.Length;
        Assert.True(SpinWait.SpinUntil(() => room.Output.Length > seen + 2, TimeSpan.FromSeconds(30)));
        Assert.Empty(Directory.GetFiles(room.Folder, "*.part"));
    }

    [Fact]
    public void Save_Checkpoint_GuestGoesOnAndSoDoesTheFile()
    {
        using SnapshotRoom room = new(Tick);
        room.Start(room.Config(Accelerator.Software));
        room.WaitFor("..");
        room.Machine.Save(room.At(File1), default, ends: false);
        int seen = room.Output.Length;
        Assert.True(SpinWait.SpinUntil(() => room.Output.Length > seen + 2, TimeSpan.FromSeconds(30)));
        room.Restore(File1);
        room.Run();
        room.WaitFor("..");
    }

    [Fact]
    public void Restore_AnotherMachine_OneLineThatSaysWhatDiffers()
    {
        using SnapshotRoom room = new(Tick);
        room.Start(room.Config(Accelerator.Software) with { Rngs = [new RngConfig { Id = "r" }] });
        room.WaitFor(".");
        room.Machine.Save(room.At(File1), default, ends: true);
        room.End();
        Refused(room, "16M", config => config with { MemoryBytes = 32 << 20 });
        Refused(room, "vcpus", config => config with { Vcpus = 2 });
        Refused(room, "rng 'r' was saved", config => config with { Rngs = [] });
        Refused(room, "rng 's' of the configuration was not", config => config with { Rngs = [.. config.Rngs, new RngConfig { Id = "s" }] });
        Refused(room, "saved as rng", config => config with { Rngs = [], Balloons = [new BalloonConfig { Id = "r" }] });
        Refused(room, "device/r/function", config => config with { Rngs = [new RngConfig { Id = "r", Transport = VirtioTransportKind.Mmio }] });
        Refused(room, "debug-console", config => config with { DebugConsole = new SerialConfig(SerialKind.Null) });
        room.Restore(File1);
    }

    [Fact]
    public void Restore_DiskIsInUse_RefusedUntilItIsFree()
    {
        using SnapshotRoom room = new(Tick);
        string disk = room.At("disk");
        File.WriteAllBytes(disk, new byte[1 << 20]);
        room.Start(room.Config(Accelerator.Software) with { Disks = [new DiskConfig { Id = "d", Path = disk, Format = "raw" }] });
        room.WaitFor(".");
        room.Machine.Save(room.At(File1), default, ends: true);
        room.End();
        using (Vmm.Storage.DiskImages.Open(disk, Vmm.Storage.ImageFormat.Raw, new Vmm.Storage.ImageOpenOptions())) Assert.Throws<Vmm.Host.LinuxException>(() => room.Restore(File1));
        File.Delete(disk);
        Assert.Throws<Vmm.Host.LinuxException>(() => room.Restore(File1));
        File.WriteAllBytes(disk, new byte[2 << 20]);
        Assert.Contains("size", Assert.Throws<StateException>(() => room.Restore(File1)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(disk, new byte[1 << 20]);
        room.Restore(File1);
    }

    [Fact]
    public void Open_BrokenFile_OneLineThatSaysWhere()
    {
        using SnapshotRoom room = new(Tick);
        room.Start(room.Config(Accelerator.Software));
        room.WaitFor(".");
        room.Machine.Save(room.At(File1), default, ends: true);
        byte[] good = File.ReadAllBytes(room.At(File1));
        Broken(room, "no saved domain", _ => []);
        Broken(room, "no saved domain", file => [.. "#!/bin/sh\n"u8, .. file]);
        Broken(room, "format 9", file => [.. file[..16], 9, .. file[17..]]);
        Broken(room, "in the middle", file => file[..^1]);
        Broken(room, "in the middle", file => file[..(file.Length / 2)]);
        Broken(room, "behind its end", file => [.. file, 0]);
        foreach (int at in Enumerable.Range(0, 64).Select(i => 20 + (int)((long)i * (good.Length - 21) / 63)))
        {
            Broken(room, "", file =>
            {
                file[at] ^= 0x10;
                return file;
            });
        }

        void Broken(SnapshotRoom room, string why, Func<byte[], byte[]> change)
        {
            File.WriteAllBytes(room.At(File2), change([.. good]));
            StateException e = Assert.Throws<StateException>(() => room.Restore(File2));
            Assert.Contains(why, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
        }
    }

    /// <summary>What one CPU saved goes on with the other, where it has all that the guest was told of.</summary>
    [Fact]
    public void Restore_OnTheOtherCpu_AsFarAsItCan()
    {
        if (Accelerators.Count < 2) return;
        using SnapshotRoom room = new(Count);
        room.Start(room.Config(Accelerator.Kvm) with { Cpu = PlainCpu });
        room.WaitFor("go");
        room.Machine.Save(room.At(File1), default, ends: true);
        ulong first = Counter(room.Restore(File1));
        room.Restore(File1, config => config with { Accel = Accelerator.Software });
        Assert.Equal("software", room.Machine.CpuName);
        Assert.Equal(first, Counter(room.Machine));
        room.Run();
        Assert.True(SpinWait.SpinUntil(() => Counter(room.Machine) > first, TimeSpan.FromSeconds(30)));
        room.Start(room.Config(Accelerator.Kvm));
        room.WaitFor("go");
        room.Machine.Save(room.At(File1), default, ends: true);
        Refused(room, "CPU features that software has not got", config => config with { Accel = Accelerator.Software });
    }

    [Fact]
    public void Restore_SoftwareGuestOnKvm_GoesOnOrSaysWhyNot()
    {
        if (Accelerators.Count < 2) return;
        using SnapshotRoom room = new(Count);
        room.Start(room.Config(Accelerator.Software));
        room.WaitFor("go");
        room.Machine.Save(room.At(File1), default, ends: true);
        ulong first = Counter(room.Restore(File1));
        try
        {
            room.Restore(File1, config => config with { Accel = Accelerator.Kvm });
        }
        catch (Exception e) when (e is Core.Hypervisor.HypervisorException or StateException)
        {
            Assert.Matches("MHz|CPU features", e.Message);
            return;
        }

        room.Run();
        Assert.True(SpinWait.SpinUntil(() => Counter(room.Machine) > first, TimeSpan.FromSeconds(30)));
    }

    // What both CPUs have.
    private static string PlainCpu
        => "x86-64-v2" + string.Concat(CpuFeatures.All.ToArray().Where(f => !f.IsIn(SoftwareCpuid.Supported(null))).Select(f => $",-{f.Name}"));

    private static void Refused(SnapshotRoom room, string why, Func<MachineConfig, MachineConfig> change)
    {
        StateException e = Assert.Throws<StateException>(() => room.Restore(File1, change));
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    private static ulong Counter(GuestMachine machine) => machine.CaptureVcpus()[0].Gpr[3];

    private static void Count(Assembler code)
    {
        Print(code, "go");
        Label again = code.CreateLabel();
        code.Label(ref again);
        code.inc(ebx);
        code.jmp(again);
    }

    /// <summary>Counts the interrupts of the 8254 at 1 kHz in EBX and writes a point for every 16.</summary>
    internal static void Tick(Assembler code)
    {
        const int Idt = 0x8000, Gdt = 0x9000, Stack = 0x7000;
        const byte Vector = 0x20;
        Label wait = code.CreateLabel(), start = code.CreateLabel(), quiet = code.CreateLabel();
        code.mov(esp, Stack);
        // What follows the call is the handler, and its address is on the stack.
        code.call(start);
        code.inc(ebx);
        code.push(eax);
        code.push(edx);
        Out(code, 0x20, 0x20);
        code.pop(edx);
        code.pop(eax);
        code.iretd();
        code.Label(ref start);
        code.pop(ecx);
        // Flat segments where the boot protocol has them: an interrupt comes back to them by their selectors.
        code.mov(__dword_ptr[Gdt + 16], 0x0000ffff);
        code.mov(__dword_ptr[Gdt + 20], 0x00cf9a00);
        code.mov(__dword_ptr[Gdt + 24], 0x0000ffff);
        code.mov(__dword_ptr[Gdt + 28], 0x00cf9200);
        code.mov(__word_ptr[Gdt + 0x100], 31);
        code.mov(__dword_ptr[Gdt + 0x102], Gdt);
        code.lgdt(__[Gdt + 0x100]);
        code.mov(eax, ecx);
        code.mov(__word_ptr[Idt + 8 * Vector], ax);
        code.mov(__word_ptr[Idt + 8 * Vector + 2], 16);
        code.mov(__word_ptr[Idt + 8 * Vector + 4], 0x8e00);
        code.shr(eax, 16);
        code.mov(__word_ptr[Idt + 8 * Vector + 6], ax);
        code.mov(__word_ptr[Idt + 0x1000 - 8], 0x7ff);
        code.mov(__dword_ptr[Idt + 0x1000 - 6], Idt);
        code.lidt(__[Idt + 0x1000 - 8]);
        foreach ((int port, byte value) in ((int, byte)[])[(0x20, 0x11), (0x21, Vector), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1), (0x21, 0xfe), (0xa1, 0xff)])
            Out(code, port, value);
        Out(code, 0x43, 0x34);
        Out(code, 0x40, 1193 & 0xff);
        Out(code, 0x40, 1193 >> 8);
        // Virtual wire, as a BIOS leaves it: the local APIC is on, its LINT0 is the 8259's.
        code.mov(eax, unchecked((int)0xfee00000));
        code.mov(__dword_ptr[eax + 0xf0], 0x1ff);
        code.mov(__dword_ptr[eax + 0x350], 0x700);
        code.xor(ebx, ebx);
        code.xor(ebp, ebp);
        code.Label(ref wait);
        code.sti();
        code.hlt();
        code.cli();
        code.mov(eax, ebx);
        code.shr(eax, 4);
        code.cmp(eax, ebp);
        code.je(quiet);
        code.mov(ebp, eax);
        Print(code, ".");
        code.Label(ref quiet);
        code.jmp(wait);
    }
}
