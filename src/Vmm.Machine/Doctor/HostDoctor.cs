using System.Collections.Immutable;
using System.Globalization;
using Vmm.Host;
using Vmm.Host.Sandbox;
using Vmm.Machine.Config;

namespace Vmm.Machine.Doctor;

/// <summary>Looks at the host. Nothing is changed, and nothing that is missing is an error.</summary>
public static class HostDoctor
{
    private const ulong FewOpenFiles = 1024;
    private const int TwoMebibytesInKibibytes = 2048;
    private const int OneGibibyteInKibibytes = 1048576;

    /// <summary>Makes the report; takes a fraction of a second.</summary>
    public static HostReport Examine()
    {
        ImmutableArray<HostCheck>.Builder checks = ImmutableArray.CreateBuilder<HostCheck>();
        AccelChoice auto = KvmDoctor.Examine(checks);
        checks.Add(Probe("/dev/net/tun", HostFacts.WhyNotOpen("/dev/net/tun"), "can be opened", "no TAP interfaces: guests cannot join the host's networks"));
        checks.Add(Bridges(HostFacts.Bridges));
        checks.Add(HugePages(HostFacts.ReservedHugePages(TwoMebibytesInKibibytes), "2 MiB"));
        checks.Add(HugePages(HostFacts.ReservedHugePages(OneGibibyteInKibibytes), "1 GiB"));
        checks.Add(new HostCheck("transparent huge pages", HostCheckState.Info, $"for shared memory: {HostFacts.TransparentHugePages ?? "not in this kernel"}"));
        checks.Add(Probe("memfd", HostFacts.WhyNoMemfd(), "works, with seals", "no guest can be made: guest memory stands in a memfd"));
        checks.Add(Probe("io_uring", HostFacts.WhyNoIoUring(), "works", "block devices use threads instead"));
        checks.Add(Probe("executable memory", HostFacts.WhyNoExecutableMemory(), "can be mapped", "the software CPU cannot translate code, only interpret it"));
        checks.Add(ProcessSandbox.HasSeccomp
            ? new HostCheck("seccomp", HostCheckState.Ok, "filters system calls")
            : new HostCheck("seccomp", HostCheckState.Missing, "not in this kernel, or filtered", "processes of devices cannot be confined (--sandbox off serves without)"));
        checks.Add(ProcessSandbox.LandlockVersion is var landlock and not 0
            ? new HostCheck("Landlock", HostCheckState.Ok, $"version {landlock}")
            : new HostCheck("Landlock", HostCheckState.Limited, "not in this kernel, or switched off", "processes of devices are confined by their system calls alone: one with a share or a resolver file can name other files"));
        checks.Add(OpenFiles(HostFacts.OpenFilesLimit));
        checks.Add(LockedMemory(HostFacts.LockedBytesLimit));
        checks.Add(new HostCheck("processors", HostCheckState.Info, Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)));
        checks.Add(new HostCheck("free memory", HostCheckState.Info, HostFacts.AvailableBytes is { } bytes ? $"{bytes >> 20} MiB" : "unknown"));
        return new HostReport(checks.ToImmutable(), auto);
    }

    private static HostCheck Probe(string name, string? whyNot, string found, string consequence)
        => whyNot is null ? new HostCheck(name, HostCheckState.Ok, found) : new HostCheck(name, HostCheckState.Missing, whyNot, consequence);

    private static HostCheck Bridges(IReadOnlyList<string> names) => names.Count == 0
        ? new HostCheck("bridges", HostCheckState.Info, "none", "bridged networking needs one to be made first")
        : new HostCheck("bridges", HostCheckState.Ok, string.Join(", ", names));

    private static HostCheck HugePages((ulong Total, ulong Free)? pages, string size) => pages switch
    {
        null => new HostCheck($"huge pages of {size}", HostCheckState.Info, "not on this processor or kernel"),
        { Total: 0 } => new HostCheck($"huge pages of {size}", HostCheckState.Info, "none reserved"),
        { } some => new HostCheck($"huge pages of {size}", HostCheckState.Ok, $"{some.Free} of {some.Total} free"),
    };

    private static HostCheck OpenFiles(ulong? limit) => limit switch
    {
        null => new HostCheck("open files", HostCheckState.Ok, "no limit"),
        <= FewOpenFiles and ulong few => new HostCheck("open files", HostCheckState.Limited, $"at most {few}", "guests with many queues need more (ulimit -n)"),
        ulong many => new HostCheck("open files", HostCheckState.Ok, $"at most {many}"),
    };

    private static HostCheck LockedMemory(ulong? bytes) => bytes is { } limit
        ? new HostCheck("locked memory", HostCheckState.Limited, $"at most {SizeText.Format(limit)}", "guest memory cannot be locked into RAM (ulimit -l)")
        : new HostCheck("locked memory", HostCheckState.Ok, "no limit");
}
