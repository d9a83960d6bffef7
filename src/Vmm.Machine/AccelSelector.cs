using System.Globalization;
using Vmm.Kvm;
using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>Decides what "auto" takes on this host.</summary>
public static class AccelSelector
{
    /// <summary>KVM where it is present, permitted and complete, and runs the guest's ring 0 natively; else the software CPU.</summary>
    public static AccelChoice Choose() => Choose(KvmProbe.Run(KvmProbe.QuickBudget));

    /// <summary>The same from a report that is there already.</summary>
    public static AccelChoice Choose(KvmReport report)
    {
        if (report.IsRecommended) return new AccelChoice(Accelerator.Kvm, "it is there and runs the guest's kernel natively");
        if (!report.IsUsable) return new AccelChoice(Accelerator.Software, report.Problem ?? $"{report.Device} cannot be used");
        string speed = report.Ring0Mips is { } mips ? $"only at {mips.ToString("0.0", CultureInfo.InvariantCulture)} MIPS" : "at an unknown speed";
        return new AccelChoice(Accelerator.Software, $"KVM runs the guest's kernel {speed} here, not natively");
    }
}
