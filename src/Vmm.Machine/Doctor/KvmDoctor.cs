using System.Collections.Immutable;
using System.Globalization;
using Vmm.Kvm;

namespace Vmm.Machine.Doctor;

/// <summary>The part of the report about KVM.</summary>
internal static class KvmDoctor
{
    /// <summary>Adds what it finds.</summary>
    /// <returns>What "auto" takes.</returns>
    public static AccelChoice Examine(ImmutableArray<HostCheck>.Builder checks)
    {
        KvmReport report = KvmProbe.Run(KvmProbe.ThoroughBudget);
        checks.Add(Device(report));
        if (report.IsPermitted && report.ApiVersion != 0) checks.Add(new HostCheck("KVM API", HostCheckState.Ok, $"version {report.ApiVersion}"));
        foreach (KvmCapabilityReport capability in report.Capabilities) checks.Add(Capability(capability));
        if (report.IsUsable) checks.Add(Ring0(report));
        return AccelSelector.Choose(report);
    }

    private static HostCheck Device(KvmReport report)
    {
        const string Consequence = "guests run on the software CPU";
        if (!report.IsPresent) return new HostCheck(report.Device, HostCheckState.Missing, report.Problem ?? "does not exist", Consequence);
        if (!report.IsPermitted) return new HostCheck(report.Device, HostCheckState.Missing, report.Problem ?? "no permission", Consequence);
        return report.IsUsable
            ? new HostCheck(report.Device, HostCheckState.Ok, "present, permitted")
            : new HostCheck(report.Device, HostCheckState.Missing, report.Problem ?? "cannot be used", Consequence);
    }

    private static HostCheck Capability(KvmCapabilityReport capability) => capability.IsPresent
        ? new HostCheck($"KVM {capability.Name}", HostCheckState.Ok, capability.NeededFor)
        : new HostCheck($"KVM {capability.Name}", capability.IsNeeded ? HostCheckState.Missing : HostCheckState.Limited,
            $"missing: {capability.NeededFor}", capability.Consequence);

    private static HostCheck Ring0(KvmReport report)
    {
        const string Name = "KVM ring 0";
        if (report.Ring0Mips is not { } mips) return new HostCheck(Name, HostCheckState.Limited, report.Problem ?? "not measured", "guests run on the software CPU");
        string speed = $"{mips.ToString(mips < KvmReport.NativeMips ? "0.0" : "0", CultureInfo.InvariantCulture)} MIPS";
        return report.Ring0IsNative
            ? new HostCheck(Name, HostCheckState.Ok, $"native, {speed}")
            : new HostCheck(Name, HostCheckState.Limited, $"emulated, {speed}", "a guest's kernel is faster on the software CPU");
    }
}
