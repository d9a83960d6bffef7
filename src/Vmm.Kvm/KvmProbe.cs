using Vmm.Core.Hypervisor;
using Vmm.Host;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>Finds out what this host's KVM can do. Never throws and never hangs.</summary>
public static class KvmProbe
{
    /// <summary>How long a measurement of ring 0 should run for a report.</summary>
    public static readonly TimeSpan ThoroughBudget = TimeSpan.FromMilliseconds(20);

    /// <summary>And how long when a machine is waiting to start.</summary>
    public static readonly TimeSpan QuickBudget = TimeSpan.FromMilliseconds(1);

    /// <summary>Looks at the device, its capabilities and the speed of ring 0.</summary>
    /// <param name="budget">About how long ring 0 is measured; the whole takes a few milliseconds more.</param>
    /// <param name="device">The device node.</param>
    public static KvmReport Run(TimeSpan budget, string device = "/dev/kvm")
    {
        KvmReport report = new() { Device = device, IsPresent = Path.Exists(device) };
        try
        {
            using LinuxFile file = KvmHypervisor.OpenDevice(device);
            report = report with { IsPermitted = true };
            int version = KvmCall.Try(file.Fd, KvmIoctl.KVM_GET_API_VERSION, 0);
            if (version < 0) return report with { Problem = $"{device} is no KVM device" };
            report = report with { ApiVersion = version, Capabilities = Capabilities(file.Fd) };
            if (!report.IsUsable) return report with { Problem = WhyUnusable(report) };
            return report with { Ring0Mips = Ring0Benchmark.Measure(file.Fd, budget) };
        }
        catch (HypervisorException e)
        {
            return report with { Problem = e.Message };
        }
    }

    private static List<KvmCapabilityReport> Capabilities(int fd) =>
        [.. KvmCapabilityTable.All.Select(c => new KvmCapabilityReport(
            c.Name, Math.Max(0, KvmCall.Try(fd, KvmIoctl.KVM_CHECK_EXTENSION, c.Number)), c.IsNeeded, c.NeededFor, c.Consequence))];

    private static string WhyUnusable(KvmReport report) => report.ApiVersion != KvmHypervisor.KVM_API_VERSION
        ? $"{report.Device} speaks KVM API version {report.ApiVersion}, needed is {KvmHypervisor.KVM_API_VERSION}"
        : $"this host's KVM lacks {string.Join(", ", report.Capabilities.Where(c => c.IsNeeded && !c.IsPresent).Select(c => c.Name))}";
}
